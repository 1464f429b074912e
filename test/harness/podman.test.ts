/** The engine of the container tests: it is there, runs containers, and leaves nothing. */
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { podmanAvailable, startPodman } from "./podman.ts";
import { testRun } from "./run.ts";

test.skipIf(!(await podmanAvailable()))(
  "podman answers at its socket, has an image, and leaves nothing behind",
  { timeout: 120_000 },
  async () => {
    const links = readdirSync("/sys/class/net");
    {
      await using podman = await startPodman();
      const { json } = await podman.api("GET", `/images/${podman.image}/json`);
      expect(json).toMatchObject({ Architecture: expect.any(String) });
      expect(await podman.containers()).toEqual([]);
      await podman.kill();
      expect(existsSync(podman.socket)).toBe(true);
      await podman.start();
      expect((await podman.api("GET", `/images/${podman.image}/json`)).status).toBe(200);
    }
    expect(readdirSync(testRun.folder)).toEqual([]);
    expect(readdirSync("/sys/class/net")).toEqual(links);
  },
);
