import { CaptureError } from "../errors.ts";
import { Encoder, type Filling } from "./encoder.ts";
import { formatPath } from "./path.ts";
import type { EncodeHooks, Payload } from "./port.ts";

/** Kept between messages. Taken while in use: the hooks may encode something themselves. */
let idle: Encoder | undefined;

/** Their numbers must fit into the frame of the message. */
const MAX_BUFFERS = 8_192;

const none: readonly Uint8Array[] = [];

/**
 * Encodes a value in one pass, or throws a `CaptureError` that names the path to what cannot be sent as it is.
 * `root` is the name that paths begin with.
 */
export function encode(value: unknown, hooks: EncodeHooks, options?: { readonly root?: string }): Payload {
  const root = options?.root ?? "value";
  const encoder = idle ?? new Encoder();
  idle = undefined;
  const { writer } = encoder;
  writer.byte(0);
  // An encoder that threw is in no state to be used again.
  encoder.root(value, hooks, root);
  const buffers = encoder.hasMemories ? writeMemories(encoder) : none;
  if (buffers.length > MAX_BUFFERS) {
    const message = `Cannot send ${root}: it holds ${buffers.length} Blobs and large buffers, ${MAX_BUFFERS} travel at a time; send fewer, or join them`;
    throw new CaptureError(message, { path: [root] });
  }
  const { fillings } = encoder;
  const bytes = writer.take();
  encoder.clear();
  idle = encoder;
  return fillings.length === 0 ? { bytes, buffers } : { bytes, buffers, pending: read(fillings) };
}

function writeMemories(encoder: Encoder): Uint8Array[] {
  const { writer } = encoder;
  const start = writer.position;
  const buffers = encoder.memories().write(writer);
  writer.reserve(4);
  writer.bytes.writeUInt32LE(start, writer.position);
  writer.position += 4;
  writer.bytes[0] = 1;
  return buffers;
}

/** The contents of a Blob can only be read asynchronously; its size, and so the message, is known at once. */
function read(fillings: readonly Filling[]): Promise<void> {
  const pending = Promise.all(fillings.map(fill)).then(() => {});
  // Whoever sends the payload awaits it; a payload that is dropped must not end the process.
  pending.catch(() => {});
  return pending;
}

async function fill({ blob, bytes, path }: Filling): Promise<void> {
  try {
    bytes.set(new Uint8Array(await blob.arrayBuffer()));
  } catch (cause) {
    const message = `Cannot send ${formatPath(path)}: its contents cannot be read; send a Blob whose source has not changed`;
    throw new CaptureError(message, { path, cause });
  }
}
