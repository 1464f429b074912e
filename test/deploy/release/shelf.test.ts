/** Releases that lie unpacked on this machine: whole, checked, shared, and gone when nobody needs them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { layerKey } from "../../../src/deploy/release/manifest.ts";
import { forgetOld, Shelf } from "../../../src/deploy/release/shelf.ts";
import type { StoreDriver } from "../../../src/ports/store.ts";
import { systemClock } from "../../../src/clock.ts";
import { memoryDriver } from "../../../src/store/drivers/memory.ts";
import { FakeClock } from "../../../src/testing.ts";
import { emptyFolder, memory, pack, project, refusal, write } from "./project.ts";

const shelfIn = (folder: string): Shelf => new Shelf({ folder, clock: systemClock });
const dayMs = 24 * 3_600_000;

/** Counts what is read of layers. */
function counting(driver: StoreDriver): StoreDriver & { layers: number } {
  const counted = {
    ...driver,
    layers: 0,
    read: (...given: Parameters<StoreDriver["read"]>) => (counted.layers++, driver.read(...given)),
  };
  return counted;
}

test("a release lies where it says, with the Node that others share", async () => {
  const driver = counting(memory());
  const root = project({ "lib/a.js": "1" });
  const folder = emptyFolder("shelf");
  const first = await pack(root, { driver });
  const laid = await shelfIn(folder).take(first.id, driver);
  expect(laid).toMatchObject({ root, node: "/opt/tinderbox/node/bin/node", agent: join(root, "main.js") });
  const [node, app] = laid.folders;
  expect([node!.target, app!.target]).toEqual(["/opt/tinderbox/node", root]);
  expect(readFileSync(join(app!.source, "lib/a.js"), "utf8")).toBe("1");
  expect(statSync(join(node!.source, "bin/node")).mode & 0o111).toBe(0o111);
  expect(driver.layers).toBe(3);

  write(root, { "lib/a.js": "2" });
  const second = await pack(root, { driver });
  const next = await shelfIn(folder).take(second.id, driver);
  expect(next.folders[0]).toEqual(node);
  expect(readFileSync(join(next.folders[1]!.source, "lib/a.js"), "utf8")).toBe("2");
  expect(readFileSync(join(app!.source, "lib/a.js"), "utf8")).toBe("1");
  expect(driver.layers).toBe(5);
  await shelfIn(folder).take(first.id, driver);
  expect(driver.layers).toBe(5);
});

test("those who take one at the same time have the same, and nothing else is left", async () => {
  const driver = memory();
  const { id } = await pack(project(), { driver });
  const folder = emptyFolder("shelf");
  const all = await Promise.all([1, 2, 3, 4].map(() => shelfIn(folder).take(id, driver)));
  for (const each of all) expect(each).toEqual(all[0]);
  expect(readdirSync(folder)).toHaveLength(2);
});

test("a layer of other bytes is refused, and nothing of it is there", async () => {
  const driver = memory();
  const { id, layers } = await pack(project(), { driver });
  const app = layers.find(({ name }) => name === "app")!;
  await driver.put(layerKey(app.sha256), Buffer.from("other bytes"));
  const folder = emptyFolder("shelf");
  expect(await refusal(shelfIn(folder).take(id, driver))).toMatch(/Cannot use layer app of memory:: its sha256 is/);
  expect(readdirSync(folder).filter((name) => name.startsWith("app-"))).toEqual([]);
});

test("what nobody has taken for a week goes, what is in use stays", async () => {
  const driver = memory();
  const { id } = await pack(project(), { driver });
  const folder = emptyFolder("shelf");
  const shelf = shelfIn(folder);
  await shelf.take(id, driver);
  const age = (name: string, days: number): string => {
    const seconds = (Date.now() - days * dayMs) / 1000;
    utimesSync(join(folder, name), seconds, seconds);
    return name;
  };
  const make = (name: string): string => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "file"), "");
    return name;
  };
  const used = readdirSync(folder).map((name) => age(name, 30));
  const [old, half] = [make(`app-${"0".repeat(64)}`), make(`node-${"1".repeat(64)}.aBcDeF`)].map((name) =>
    age(name, 8),
  );
  const young = age(make(`app-${"2".repeat(64)}`), 6);
  const others = age(make("somebody-else"), 100);
  await shelf.tidy();
  expect(readdirSync(folder).toSorted()).toEqual([...used, young, others].toSorted());
  expect(existsSync(join(folder, old!)) || existsSync(join(folder, half!))).toBe(false);
  for (const name of used) expect(statSync(join(folder, name)).mtimeMs).toBeGreaterThan(Date.now() - dayMs);
});

test("what was packed a month ago is forgotten, over all pages of a store", async () => {
  const clock = new FakeClock();
  const driver = memoryDriver({ clock, page: 2 });
  for (const key of ["layers/a", "layers/c", "releases/e"]) await driver.put(key, Buffer.from("old"));
  clock.advance(2 * dayMs);
  for (const key of ["layers/b", "layers/d", "releases/f"]) await driver.put(key, Buffer.from("new"));
  clock.advance(28.5 * dayMs);
  await forgetOld(driver, clock);
  const left: string[] = [];
  for (let after: string | undefined; ; after = left.at(-1)) {
    const { objects, more } = await driver.list("", { after });
    left.push(...objects.map(({ key }) => key));
    if (!more) break;
  }
  expect(left).toEqual(["layers/b", "layers/d", "releases/f"]);
});
