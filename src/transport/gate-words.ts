/**
 * What is said over a guard connection: a length of four bytes, then JSON, an array whose first item names the word. The machine's
 * first word is its claim, the parent's is the grant; anything that is not below ends that machine.
 */
import { ProtocolError } from "../errors.ts";
import type { Claim, Grant } from "../ports/gate.ts";

export type Said = Omit<Claim, "peer">;

export type MachineWord =
  /** `["claim", { instance, identity, phases }]` */
  | readonly ["claim", Said]
  /** `["beat"]` */
  | readonly ["beat"]
  /** `["output", "stdout", "a line"]` */
  | readonly ["output", "stdout" | "stderr", string]
  /** `["exited", { "exitCode": 1 }]` */
  | readonly ["exited", { readonly exitCode?: number; readonly signal?: string }]
  /** `["notice", "spot", 1767225600000]` */
  | readonly ["notice", string, number]
  /** `["open", "<32 hexadecimal digits>"]`: the parent, who dials, is to make this data connection. */
  | readonly ["open", string];

export type ParentWord =
  /** `["grant", { runner, token, env, flags, onParentLoss, windowMs }]` */
  readonly ["grant", Grant] | readonly ["ping"] | readonly ["kill"] | readonly ["release"];

export const claimBytes = 16 * 1024;
export const wordBytes = 1024 * 1024;
const headBytes = 4;

export function encodeWord(word: MachineWord | ParentWord): Buffer {
  const text = JSON.stringify(word);
  const length = Buffer.byteLength(text);
  if (length > wordBytes) {
    throw new RangeError(
      `Cannot tell the other side: ${word[0]} has ${length} bytes; at most ${wordBytes} are allowed`,
    );
  }
  const bytes = Buffer.allocUnsafe(headBytes + length);
  bytes.writeUInt32BE(length, 0);
  bytes.write(text, headBytes);
  return bytes;
}

/** Words out of bytes; throws for one that is too long before it is kept. */
export class WordReader {
  /** May grow once the other side is known better. */
  limit: number;
  readonly #take: (word: unknown) => void;
  #parts: Buffer[] = [];
  #length = 0;
  /** Of the word that is being read; -1 while its length is. */
  #wanted = -1;

  constructor(limit: number, take: (word: unknown) => void) {
    this.limit = limit;
    this.#take = take;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    for (;;) {
      if (this.#wanted < 0) {
        if (this.#length < headBytes) return;
        this.#wanted = this.#cut(headBytes).readUInt32BE(0);
        if (this.#wanted > this.limit) {
          throw new ProtocolError(`Cannot read a word of ${this.#wanted} bytes: at most ${this.limit} are allowed`);
        }
      }
      if (this.#length < this.#wanted) return;
      const text = this.#cut(this.#wanted).toString();
      this.#wanted = -1;
      this.#take(parse(text));
    }
  }

  #cut(bytes: number): Buffer {
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [all.subarray(bytes)];
    this.#length -= bytes;
    return all.subarray(0, bytes);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ProtocolError("Cannot read a word: it is not JSON");
  }
}

export function machineWord(word: unknown): MachineWord {
  const [name, first, second, ...rest] = asArray(word);
  if (rest.length === 0) {
    if (name === "claim" && second === undefined) return ["claim", claim(first)];
    if (name === "beat" && first === undefined) return ["beat"];
    if (name === "output" && (first === "stdout" || first === "stderr") && typeof second === "string") {
      return ["output", first, second];
    }
    if (name === "exited" && isRecord(first)) {
      const { exitCode, signal } = first;
      return [
        "exited",
        {
          ...(typeof exitCode === "number" ? { exitCode } : {}),
          ...(typeof signal === "string" ? { signal } : {}),
        },
      ];
    }
    if (name === "notice" && typeof first === "string" && typeof second === "number") return ["notice", first, second];
    if (name === "open" && typeof first === "string" && /^[0-9a-f]{32}$/.test(first)) return ["open", first];
  }
  throw strange(name);
}

export function parentWord(word: unknown): ParentWord {
  const [name, first, ...rest] = asArray(word);
  if (rest.length === 0) {
    if (name === "grant") return ["grant", grant(first)];
    if ((name === "ping" || name === "kill" || name === "release") && first === undefined) return [name];
  }
  throw strange(name);
}

function claim(value: unknown): Said {
  const { instance, identity, phases } = asRecord(value, "claim");
  if (typeof instance !== "string" || instance === "" || instance.length > 256) throw strange("claim");
  const times = Object.entries(asRecord(phases, "claim"));
  if (!times.every((entry): entry is [string, number] => typeof entry[1] === "number")) throw strange("claim");
  if (identity === undefined || identity === null) {
    return { instance, identity: undefined, phases: Object.fromEntries(times) };
  }
  const { document, signature } = asRecord(identity, "claim");
  if (typeof document !== "string" || typeof signature !== "string") throw strange("claim");
  return { instance, identity: { document, signature }, phases: Object.fromEntries(times) };
}

function grant(value: unknown): Grant {
  const { runner, token, env, flags, onParentLoss, windowMs } = asRecord(value, "grant");
  const variables = Object.entries(asRecord(env, "grant"));
  const fine =
    typeof runner === "string" &&
    typeof token === "string" &&
    variables.every((entry): entry is [string, string] => typeof entry[1] === "string") &&
    Array.isArray(flags) &&
    flags.every((flag): flag is string => typeof flag === "string") &&
    (onParentLoss === "kill" || onParentLoss === "drain") &&
    typeof windowMs === "number" &&
    windowMs >= 0;
  if (!fine) throw strange("grant");
  return { runner, token, env: Object.fromEntries(variables) as Record<string, string>, flags, onParentLoss, windowMs };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (!isRecord(value)) throw strange(name);
  return value;
}

function asArray(word: unknown): unknown[] {
  if (!Array.isArray(word)) throw strange(undefined);
  return word;
}

/** Names only what is a name: the rest is the other side's. */
function strange(name: unknown): ProtocolError {
  const named = typeof name === "string" && /^[a-z]{1,16}$/.test(name) ? name : "that";
  return new ProtocolError(`Cannot take ${named} as a word: there is none of this shape`);
}
