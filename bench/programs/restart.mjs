// Milliseconds until the first line of a native program: from when it is started by hand, from when the one before was killed
// and its end was heard by hand, or the same by the supervisor of a service.
import { spawn } from "node:child_process";
import { once } from "node:events";

const [mode, command] = [process.argv[2], process.env.BENCH_NATIVE];
const times = [];
const rounds = 20;

if (mode === "spawn" || mode === "restart") {
  let began = performance.now();
  for (let round = 0; round <= rounds; round++) {
    if (mode === "spawn") began = performance.now();
    const child = spawn(command, ["up"], { detached: true });
    await once(child.stdout, "data");
    if (round > 0) times.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 250));
    began = performance.now();
    child.kill("SIGKILL");
    await once(child, "close");
  }
} else {
  const { service, supervisor } = await import("tinderbox");
  let line;
  const options = { command, args: ["up"], ready: /up/, log: () => line() };
  let up = new Promise((resolve) => (line = resolve));
  const native = service("native", options);
  const app = await supervisor({ maxRestarts: 1_000_000, within: "1s", children: [native] }).start();
  for (let round = 0; round < rounds; round++) {
    await up;
    // One that was up for a moment: it has a successor then.
    await new Promise((resolve) => setTimeout(resolve, 250));
    const began = performance.now();
    up = new Promise((resolve) => {
      line = () => resolve(times.push(performance.now() - began));
    });
    process.kill(app.child("native").value.pid, "SIGKILL");
    await up;
  }
  await app.stop();
}
console.log(times.toSorted((left, right) => left - right)[times.length >> 1]);
