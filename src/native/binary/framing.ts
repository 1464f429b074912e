/**
 * What passes through the pipes of a worker: how a request is written, and how answers are told apart in what comes back.
 * No pipes here. Bytes may come in pieces of any size; one answer is kept at a time, and never more than `maxAnswer` of it.
 */
import { show } from "../../options.ts";
import { PacketDecoder, packetOf } from "./packets.ts";
import { LineDecoder } from "./line-decoder.ts";
import { NoAnswer } from "./no-answer.ts";

export type Protocol = "lines" | "jsonl" | { readonly packet: 1 | 2 | 4 };

/** What is written for one request: one write, or two that belong together. */
export type Encoded = string | Uint8Array | readonly [header: Uint8Array, body: Uint8Array];

/** Gathers answers. `push` calls `answer` for each that is complete, and throws for what can be none. */
export interface Decoder {
  push(chunk: Uint8Array): void;
  /** Bytes of an answer that is not complete. */
  readonly pending: number;
}

export interface Framing {
  /** Throws TypeError for what cannot be written: then nothing was. */
  encode(request: unknown): Encoded;
  decoder(maxAnswer: number, answer: (value: unknown) => void): Decoder;
}

export function framingOf(protocol: Protocol): Framing {
  if (protocol === "lines") return lines;
  if (protocol === "jsonl") return jsonLines;
  return packets(protocol.packet);
}

const lines: Framing = {
  encode(request) {
    if (typeof request !== "string")
      throw new TypeError(`Cannot send ${show(request)}: the protocol is lines; give a string`);
    if (request.includes("\n"))
      throw new TypeError(
        `Cannot send ${show(request)}: it has a line end in it; the protocol is lines, use "jsonl" for such text`,
      );
    return `${request}\n`;
  },
  decoder: (maxAnswer, answer) => new LineDecoder(maxAnswer, answer),
};

const jsonLines: Framing = {
  encode(request) {
    let text: string | undefined;
    try {
      text = JSON.stringify(request) as string | undefined;
    } catch (cause) {
      throw new TypeError(`Cannot send ${show(request)}: it cannot be written as JSON (${firstLine(cause)})`, {
        cause,
      });
    }
    if (text === undefined)
      throw new TypeError(`Cannot send ${show(request)}: there is no JSON for it; give null or an object`);
    return `${text}\n`;
  },
  decoder: (maxAnswer, answer) => new LineDecoder(maxAnswer, (line) => answer(parse(line))),
};

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new NoAnswer(`answered what is no JSON: ${show(line)}`);
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}

function packets(prefix: 1 | 2 | 4): Framing {
  return {
    encode(request) {
      if (!(request instanceof Uint8Array))
        throw new TypeError(`Cannot send ${show(request)}: the protocol is packets; give a Uint8Array`);
      return packetOf(request, prefix);
    },
    decoder: (maxAnswer, answer) => new PacketDecoder(prefix, maxAnswer, answer),
  };
}
