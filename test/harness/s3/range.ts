import { S3Error } from "./errors.ts";

/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Reads `bytes=2-5`, `bytes=2-` and `bytes=-5`. Anything else asks for the whole object, as AWS has it. */
export function parseRange(text: string | undefined, size: number): ByteRange | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(text ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return undefined;
  if (first !== "" && last !== "" && Number(first) > Number(last)) return undefined;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (start < end) return { start, end };
  throw new S3Error(
    "InvalidRange",
    "The requested range is not satisfiable",
    { RangeRequested: text ?? "", ActualObjectSize: size },
    { "content-range": `bytes */${size}` },
  );
}
