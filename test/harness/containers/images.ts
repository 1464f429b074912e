/** Images for tests, made of what is on this machine: there is no registry to have one from. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { path } from "../cloud/machines/command.ts";
import type { ContainerEngine } from "./engine.ts";

/** Programs and their libraries, and a few folders. */
export async function importImage(
  api: ContainerEngine["api"],
  folder: string,
  name: string,
  programs: readonly string[],
  { node = true }: { readonly node?: boolean } = {},
): Promise<string> {
  const image = `localhost/tinderbox-${name}`;
  const files = [...programs.map(realProgram), ...(node ? [process.execPath] : [])];
  const libraries = files.flatMap((file) =>
    [...execFileSync("ldd", [file], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g)].map(([, found]) => found!),
  );
  const root = join(folder, `image-${name}`);
  for (const each of ["bin", "tmp", "proc", "sys", "dev", "run", "etc"])
    mkdirSync(join(root, each), { recursive: true });
  // As images have it: some engines give it to what they mount there.
  chmodSync(join(root, "tmp"), 0o1777);
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  for (const each of programs) copy(realProgram(each), join(root, "bin", each));
  for (const each of new Set(libraries)) copy(each, join(root, each));
  const tar = execFileSync("tar", ["-C", root, "-c", "."], { maxBuffer: 2 ** 28 });
  const { status, json } = await api("POST", `/images/create?fromSrc=-&repo=${image}&tag=latest`, tar);
  if (status !== 200) throw new Error(`Cannot import an image: ${JSON.stringify(json)}`);
  return `${image}:latest`;
}

function realProgram(name: string): string {
  const found = path.split(":").map((folder) => join(folder, name));
  return found.find((file) => existsSync(file))!;
}

function copy(from: string, to: string): void {
  mkdirSync(join(to, ".."), { recursive: true });
  execFileSync("cp", ["--dereference", from, to]);
}
