// What is measured, the same for every pool library: `call` makes one small call and gives its promise.
const calls = { latency: 20_000, throughput: 200_000 };

export async function measure(mode, call) {
  if (mode === "cold") {
    const start = performance.now();
    await call();
    return performance.now() - start;
  }
  for (let index = 0; index < 3_000; index++) await call();
  return mode === "latency" ? latency(call) : throughput(call);
}

async function latency(call) {
  const times = [];
  for (let index = 0; index < calls.latency; index++) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
  }
  return times.toSorted((left, right) => left - right)[times.length >> 1] * 1_000;
}

async function throughput(call) {
  let left = calls.throughput;
  const lane = async () => {
    while (left-- > 0) await call();
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: 64 }, lane));
  return calls.throughput / ((performance.now() - start) / 1_000);
}
