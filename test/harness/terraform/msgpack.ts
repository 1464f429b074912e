/** What terraform could not know yet when it asked. */
export const unknown: unique symbol = Symbol("unknown");

export type Value = null | boolean | number | string | typeof unknown | Value[] | { [name: string]: Value };

/** Reads a value as terraform's plugin protocol has it: msgpack, in which extensions stand for what is not known yet. */
export function decode(bytes: Buffer): Value {
  let at = 0;
  const take = (length: number) => bytes.subarray(at, (at += length));
  const unsigned = (length: number) => take(length).readUIntBE(0, length);
  const text = (length: number) => take(length).toString();
  const list = (length: number): Value[] => Array.from({ length }, next);
  const map = (length: number) =>
    Object.fromEntries(Array.from({ length }, (): [string, Value] => [String(next()), next()]));
  const extension = (length: number): typeof unknown => {
    take(1 + length);
    return unknown;
  };

  function next(): Value {
    const tag = unsigned(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return map(tag & 0x0f);
    if (tag < 0xa0) return list(tag & 0x0f);
    if (tag < 0xc0) return text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return tag === 0xc3;
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return extension(unsigned(2 ** (tag - 0xc7)));
      case 0xca:
        return take(4).readFloatBE();
      case 0xcb:
        return take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return unsigned(2 ** (tag - 0xcc));
      case 0xcf:
        return Number(take(8).readBigUInt64BE());
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return take(2 ** (tag - 0xd0)).readIntBE(0, 2 ** (tag - 0xd0));
      case 0xd3:
        return Number(take(8).readBigInt64BE());
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return extension(2 ** (tag - 0xd4));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return text(unsigned(2 ** (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return list(unsigned(2 ** (tag - 0xdb)));
      case 0xde:
      case 0xdf:
        return map(unsigned(2 ** (tag - 0xdd)));
      default:
        throw new Error(`Cannot read this value: no msgpack begins with ${tag.toString(16)}`);
    }
  }
  return next();
}
