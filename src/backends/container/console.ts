/** What a container prints, as its engine sends it: pieces with a header, of both streams in one. */
import { Lines } from "../../lines.ts";

export type Stream = "stdout" | "stderr";

const headerBytes = 8;
/** An engine's pieces are much smaller; what claims to be larger is not what it should be, and is left out. */
const mostBytes = 1024 * 1024;

export class Console {
  readonly #lines: Readonly<Record<Stream, Lines>>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(print: (stream: Stream, line: string) => void) {
    this.#lines = {
      stdout: new Lines((line) => print("stdout", line)),
      stderr: new Lines((line) => print("stderr", line)),
    };
  }

  push(chunk: Uint8Array): void {
    let bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= headerBytes) {
      const size = bytes.readUInt32BE(4);
      if (size > mostBytes) {
        bytes = Buffer.alloc(0);
        break;
      }
      if (bytes.length < headerBytes + size) break;
      const piece = bytes.subarray(headerBytes, headerBytes + size);
      this.#lines[bytes[0] === 2 ? "stderr" : "stdout"].push(piece);
      bytes = bytes.subarray(headerBytes + size);
    }
    this.#rest = bytes;
  }

  flush(): void {
    this.#lines.stdout.flush();
    this.#lines.stderr.flush();
  }
}
