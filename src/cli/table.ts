/** Tables for people: columns of one width, names to the left and numbers to the right. */

export interface Column<Row> {
  readonly title: string;
  readonly left?: boolean;
  text(row: Row): string;
}

export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = columns.map(({ title, text }) => [title, ...rows.map((row) => text(row))]);
  const widths = cells.map((texts) => Math.max(...texts.map((text) => text.length)));
  const lines = [undefined, ...rows].map((_, line) =>
    columns.map(({ left }, at) => cells[at]![line]![left ? "padEnd" : "padStart"](widths[at]!)).join("  "),
  );
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}
