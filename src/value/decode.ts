import { ProtocolError } from "../errors.ts";
import { Decoder } from "./decoder.ts";
import { readMemories } from "./memory-reader.ts";
import type { DecodeHooks, Payload } from "./port.ts";
import { broken, Reader } from "./reader.ts";

export interface DecodeLimits {
  /** How deep values may be nested. @default Infinity (nesting takes no stack) */
  readonly maxDepth?: number;
  /** How large the message may be, the buffers beside it included. @default Infinity (the transport has its own limit) */
  readonly maxBytes?: number;
}

/**
 * Makes the value of a payload again. Throws a `ProtocolError` for anything that `encode` would not have written, and
 * whatever the hooks throw. Takes over `payload.buffers`: who decodes in the sender's own process copies them first.
 */
export function decode(payload: Payload, hooks: DecodeHooks, limits?: DecodeLimits): unknown {
  const { bytes, buffers } = payload;
  if (limits?.maxBytes !== undefined) checkSize(payload, limits.maxBytes);
  const reader = new Reader(bytes);
  const decoder = new Decoder(reader, hooks, limits?.maxDepth ?? Infinity);
  try {
    const flag = reader.byte();
    if (flag > 1) throw broken("it is in another format");
    if (flag === 0 && buffers.length > 0) throw broken("there is memory beside it that it does not name");
    return decoder.root(flag === 1 ? readMemories(reader, buffers) : undefined);
  } catch (error) {
    if (error instanceof ProtocolError || (decoder.hookThrew && decoder.thrown === error)) throw error;
    // What a built-in constructor throws at input that it does not take.
    throw broken("a part of it is not valid", error);
  }
}

function checkSize({ bytes, buffers }: Payload, limit: number): void {
  const size = buffers.reduce((sum, buffer) => sum + buffer.byteLength, bytes.byteLength);
  if (size > limit) throw broken(`it has ${size} bytes, and ${limit} are allowed`);
}
