/** A native program that is kept running: it is killed, and is back; it is killed again and again, and that is enough. */
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { MaxRestartIntensityError, type Service, events, service, supervisor } from "tinderbox";
import { type Longest, answer, question } from "../hot-path/ask.ts";
import { build } from "../hot-path/build.ts";

const hotPath = build(process.argv[2]);
const socket = join(hotPath.folder, "socket");
process.once("exit", hotPath.remove);
console.log(`hot-path is a small program in ${hotPath.language}; it was built just now\n`);

const app = await supervisor({
  id: "app",
  maxRestarts: 5,
  within: "30s",
  children: [
    service("hot-path", {
      command: hotPath.file,
      args: [socket],
      // It is up when it says so; what comes after it in the list of children would wait for that.
      ready: /^listening/,
      // When its stdin is closed it ends by itself. If it did not, it would get this signal, and then SIGKILL.
      stop: { signal: "SIGTERM", grace: "2s" },
    }),
  ],
}).start();

console.log(`up with pid ${pid()}; from 1 to 100000, ${shown(await ask(1, 100_000))}\n`);

console.log(`kill -9 ${pid()}`);
await killed();
console.log(`it is back, with pid ${pid()}; from 1 to 100000, ${shown(await ask(1, 100_000))}\n`);

// It may be started again 5 times within 30 seconds. Once more is not an accident any longer.
const end = app.exited.catch((error: unknown) => error);
for (let kills = 2; app.child("hot-path")?.value; kills++) {
  console.log(`kill -9 ${pid()}: kill ${kills} of 6`);
  await Promise.race([killed(), end]);
}
const error = await end;
console.log(`\nthe supervisor has given up, as it should: ${String(error)}`);
console.log(`processes that are left: ${app.count().active}`);
process.exitCode = MaxRestartIntensityError.is(error) ? 0 : 1;

function pid(): number {
  return (app.child("hot-path")!.value as Service).pid;
}

/** Resolves when the next one is up. */
async function killed(): Promise<void> {
  const { promise: restarted, resolve } = Promise.withResolvers<void>();
  const off = events.on("child.restarted", () => resolve());
  process.kill(pid(), "SIGKILL");
  await restarted;
  off[Symbol.dispose]();
}

/** What any client of the service would do. */
async function ask(first: number, last: number): Promise<Longest> {
  const client = connect(socket);
  const body = question(first, last);
  client.write(Buffer.concat([Buffer.from([0, 0, 0, body.length]), body]));
  const [packet] = (await once(client, "data")) as [Buffer];
  client.destroy();
  return answer(packet.subarray(4));
}

function shown({ n, steps }: Longest): string {
  return `${n} takes most steps: ${steps}`;
}
