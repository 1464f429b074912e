/** Values of options as they come from a command line: text, checked and turned into what it means. */
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, resolveCount, show } from "../options.ts";

/** What citty has parsed: it accepts any option, and keeps one value of each. */
export interface Parsed {
  readonly _: readonly string[];
  readonly [option: string]: unknown;
}

export class Arguments {
  readonly #parsed: Parsed;
  readonly #raw: readonly string[];

  /** Refuses what `command` does not know. */
  constructor(command: string, parsed: Parsed, raw: readonly string[], known: readonly string[]) {
    this.#parsed = parsed;
    this.#raw = raw;
    const { _: loose, ...options } = parsed;
    const camel = known.map((name) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
    for (const key of Object.keys(options)) if (!camel.includes(key)) refuseUnknown({ [key]: 0 }, known, command);
    if (loose[0] !== undefined)
      throw new TypeError(
        `Cannot use ${show(loose[0])} of ${command}: each value follows its option, as in --name value`,
      );
  }

  text(name: string): string | undefined {
    const value = this.#parsed[name];
    if (value === undefined) return undefined;
    if (typeof value === "string" && value !== "") return value;
    throw new TypeError(`Cannot use --${name} without a value`);
  }

  count(name: string, least: number): number {
    const text = this.text(name)!;
    return resolveCount(/^\d+$/.test(text) ? Number(text) : text, `--${name}`, least);
  }

  /** A number from 0, below `limit`. */
  number(name: string, limit = Infinity): number {
    const text = this.text(name)!;
    const value = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
    if (value < limit) return value;
    const wanted = limit === Infinity ? "a number from 0" : `a number from 0, below ${limit},`;
    throw new TypeError(`Cannot use ${show(text)} as --${name}: ${wanted} is wanted`);
  }

  /** Milliseconds, less than `Infinity`. */
  duration(name: string): number {
    return resolveDuration(this.text(name), `--${name}`);
  }

  /** All values of an option that is a list, or is given more than once. */
  list(name: string): string[] {
    const values = this.#raw.flatMap((argument, index) => {
      if (argument === `--${name}`) return [this.#raw[index + 1] ?? ""];
      return argument.startsWith(`--${name}=`) ? [argument.slice(name.length + 3)] : [];
    });
    const given = values.length > 0 ? values : [this.text(name)!];
    const parts = given.flatMap((value) => value.split(",")).map((part) => part.trim());
    if (parts.includes("")) throw new TypeError(`Cannot use an empty value as --${name}`);
    return [...new Set(parts)];
  }

  /** Milliseconds, each; `Infinity` is allowed. */
  durations(name: string): number[] {
    return this.list(name).map((text) => {
      const duration: unknown = text === "Infinity" ? Infinity : text;
      return resolveDuration(duration as Duration, `--${name}`);
    });
  }
}
