// Calls a second of a native program that answers packets: by `binary`, and by the least that could be written by hand.
import { spawn } from "node:child_process";

const [mode, inFlight] = [process.argv[2], Number(process.argv[3])];
const command = process.env.BENCH_NATIVE;
const request = new Uint8Array(32).fill(7);
const calls = inFlight === 1 ? 30_000 : 300_000;

const native = await (mode === "hand" ? byHand() : byBinary());
await rate(calls / 10);
console.log(await rate(calls));
await native.close();

async function rate(count) {
  let left = count;
  const lane = async () => {
    while (left-- > 0) await native.call(request);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return count / ((performance.now() - began) / 1_000);
}

async function byBinary() {
  const { binary } = await import("tinderbox");
  const worker = binary("native", { command, protocol: { packet: 4 }, pipeline: inFlight });
  return { call: (bytes) => worker.call(bytes), close: () => worker.close() };
}

function byHand() {
  const child = spawn(command, { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = [];
  let rest = Buffer.alloc(0);
  child.stdout.on("data", (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32BE(at);
      if (end > bytes.length) break;
      waiting.shift()(new Uint8Array(bytes.subarray(at + 4, end)));
      at = end;
    }
    rest = bytes.subarray(at);
  });
  const call = (body) =>
    new Promise((resolve) => {
      waiting.push(resolve);
      const packet = Buffer.allocUnsafe(4 + body.length);
      packet.writeUInt32BE(body.length, 0);
      packet.set(body, 4);
      child.stdin.write(packet);
    });
  return { call, close: async () => child.stdin.end() };
}
