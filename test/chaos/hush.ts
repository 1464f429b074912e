/** Keeps what runners print off the screen: thousands of lines, wanted by nobody. */
const fromRunner = /^\[chaos-/;

export function hush(): { readonly lines: number; stop(): void } {
  let lines = 0;
  const originals = (["stdout", "stderr"] as const).map((name) => {
    const stream = process[name];
    const original = stream.write.bind(stream);
    stream.write = ((chunk: string | Uint8Array, ...rest: []): boolean => {
      if (typeof chunk !== "string" || !fromRunner.test(chunk)) return original(chunk, ...rest);
      lines++;
      return true;
    }) as typeof stream.write;
    return () => (stream.write = original);
  });
  return {
    get lines() {
      return lines;
    },
    stop: () => originals.forEach((restore) => restore()),
  };
}
