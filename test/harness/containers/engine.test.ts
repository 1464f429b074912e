/** The engine of the container tests: it is there, runs containers, and leaves nothing. */
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { testRun } from "../run.ts";
import { engineAvailable, startEngine } from "./engine.ts";

test.skipIf(!(await engineAvailable()))(
  "an engine answers at its socket, has an image, and leaves nothing behind",
  { timeout: 120_000 },
  async () => {
    const links = readdirSync("/sys/class/net");
    {
      await using engine = await startEngine();
      const { json } = await engine.api("GET", `/images/${engine.image}/json`);
      expect(json).toMatchObject({ Architecture: expect.any(String) });
      expect(await engine.containers()).toEqual([]);
      await engine.kill();
      expect(existsSync(engine.socket)).toBe(true);
      await engine.start();
      expect((await engine.api("GET", `/images/${engine.image}/json`)).status).toBe(200);
    }
    expect(readdirSync(testRun.folder)).toEqual([]);
    expect(readdirSync("/sys/class/net")).toEqual(links);
  },
);
