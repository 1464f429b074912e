/** What hot-path is asked, as the bytes that it understands. */
export interface Longest {
  readonly n: number;
  readonly steps: number;
}

export function question(first: number, last: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(first, 0);
  bytes.writeUInt32BE(last, 4);
  return bytes;
}

export function answer(bytes: Uint8Array): Longest {
  const { buffer, byteOffset } = bytes;
  const view = new DataView(buffer, byteOffset);
  return { n: view.getUint32(0), steps: view.getUint32(4) };
}
