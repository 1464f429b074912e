/** What placed objects mean for the process that has them: it stays for them, they go with it, and with their handles. */
import { describe, expect, test } from "vitest";
import { runScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { alive, gone, room } from "./lab.ts";

const head = `
  import { appendFileSync } from "node:fs";
  import { flame, pool } from "tinderbox";
  const file = process.argv[2];
  class Witness {
    #count = 0;
    #gone = false;
    constructor() { this.note("made " + process.pid); }
    note(word) { appendFileSync(file, word + "\\n"); }
    count() { return ++this.#count; }
    slow() { return new Promise((resolve) => setTimeout(() => resolve(++this.#count), 300)); }
    async *ticks() {
      while (!this.#gone) {
        yield ++this.#count;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    async dispose() {
      this.#gone = true;
      this.note("disposed");
    }
  }
  const own = pool("own", { max: 1 });
`;
const flags = { execArgv: ["--expose-gc"], timeout: 60_000 };

describe("a process", () => {
  test("stays while an object is live, and ends by itself after it was disposed", async () => {
    const { path, lines } = room();
    const file = path("notes");
    const script = startScript(
      `${head}
      const object = await flame.place(() => new Witness(), { pool: own });
      process.once("SIGUSR2", () => void object[Symbol.asyncDispose]().then(() => console.log("over")));
      console.log("placed");`,
      { args: [file], timeout: 60_000 },
    );
    await script.see(/placed/);
    const from = performance.now();
    await until("nothing to happen", () => performance.now() - from > 500);
    expect(alive(script.pid)).toBe(true);
    script.kill("SIGUSR2");
    expect(await script.finished).toMatchObject({ code: 0, stdout: "placed\nover\n" });
    expect(lines("notes")).toEqual([expect.stringMatching(/^made/), "disposed"]);
  });

  test("that waits for nothing but the end of an object waits for it", async () => {
    const { path, lines } = room();
    const { code } = await runScript(
      `${head}
      const object = await flame.place(() => new Witness(), { pool: own });
      await object[Symbol.asyncDispose]();
      console.log("over");`,
      { args: [path("notes")] },
    );
    expect([code, lines("notes").at(-1)]).toEqual([0, "disposed"]);
  });

  test("is not kept by an object that is idle", async () => {
    const { path, lines } = room();
    const { code } = await runScript(
      `${head}
      const object = await flame.place(() => new Witness(), { pool: own, idle: 50 });
      await object.count();`,
      { args: [path("notes")] },
    );
    expect([code, lines("notes").at(-1)]).toEqual([0, "disposed"]);
  });

  test("that is told to stop disposes its objects first", async () => {
    const { path, lines } = room();
    const script = startScript(
      `${head}
      const object = await flame.place(() => new Witness(), { pool: own });
      console.log("placed", await object.count());`,
      { args: [path("notes")] },
    );
    await script.see(/placed/);
    const begun = performance.now();
    script.kill("SIGTERM");
    expect(await script.finished).toMatchObject({ signal: "SIGTERM" });
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(lines("notes").at(-1)).toBe("disposed");
  });

  test("that is killed takes its objects along", async () => {
    const { path, lines } = room();
    const script = startScript(
      `${head}
      const object = await flame.place(() => new Witness(), { pool: own });
      console.log("placed");`,
      { args: [path("notes")] },
    );
    await script.see(/placed/);
    const [, pid] = lines("notes")[0]!.split(" ");
    script.kill("SIGKILL");
    await script.finished;
    await expect(gone(Number(pid))).resolves.toBeUndefined();
  });
});

describe("an object that nobody has any more", () => {
  test("is disposed, and its process can end", async () => {
    const { path, lines } = room();
    const { code, stdout } = await runScript(
      `${head}
      await (async () => {
        const object = await flame.place(() => new Witness(), { pool: own });
        console.log(await object.count());
      })();
      const collect = setInterval(() => {
        gc();
        if (own.stats().slots.busy === 0) clearInterval(collect);
      }, 20);`,
      { args: [path("notes")], ...flags },
    );
    expect([code, stdout, lines("notes").at(-1)]).toEqual([0, "1\n", "disposed"]);
  });

  test("is there for as long as a call of it, and a stream that it gave", async () => {
    const { path, lines } = room();
    const { code, stdout } = await runScript(
      `${head}
      const collect = setInterval(() => gc(), 5);
      const place = () => flame.place(() => new Witness(), { pool: own });
      console.log(await (await place()).slow());
      let seen = 0;
      for await (const n of (await place()).ticks()) if (n > 60 && ++seen) break;
      console.log("read", seen);
      const wait = setInterval(() => {
        if (own.stats().slots.busy > 0) return;
        clearInterval(collect);
        clearInterval(wait);
      }, 20);`,
      { args: [path("notes")], ...flags },
    );
    expect([code, stdout]).toEqual([0, "1\nread 1\n"]);
    expect(lines("notes").map((line) => line.split(" ")[0])).toEqual(["made", "disposed", "made", "disposed"]);
  });

  test("is there for as long as a runner that was given it", async () => {
    const { path, lines } = room();
    const { code, stdout } = await runScript(
      `${head}
      const other = pool("other", { max: 1 });
      const collect = setInterval(() => gc(), 5);
      const lend = async () => {
        const object = await flame.place(() => new Witness(), { pool: own });
        return flame(
          async () => {
            for (let n = 0; n < 20; n++) await object.slow();
            return object.count();
          },
          { pool: other },
        );
      };
      console.log(await lend());
      const wait = setInterval(() => {
        if (own.stats().slots.busy > 0) return;
        clearInterval(collect);
        clearInterval(wait);
      }, 20);`,
      // Captured at run time, the last closure of a file would hold on to what it captured.
      { args: [path("notes")], ...flags, execArgv: ["--expose-gc", "--import", "tinderbox/register"] },
    );
    expect([code, stdout, lines("notes").at(-1)]).toEqual([0, "21\n", "disposed"]);
  });
});
