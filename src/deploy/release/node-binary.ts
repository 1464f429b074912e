/** The Node that goes into a release: it has to run on the machines, which are not always like this one. */
import { createReadStream } from "node:fs";
import { fileEntry, folderEntry, isBelow, look, type Entry, type Notice } from "./entry.ts";
import { ReleaseError } from "../../errors.ts";
import { executableOf } from "./executable.ts";
import { realOf } from "./links.ts";

export interface NodeOptions {
  /** A path; links are followed. */
  readonly node: string;
  readonly platform: string;
  /** Undefined: whatever the binary is for. */
  readonly arch: string | undefined;
  readonly notice: (notice: Notice) => void;
}

export interface NodeBinary {
  readonly version: string;
  readonly platform: string;
  readonly arch: string;
  readonly entries: readonly Entry[];
}

const download = "a build for it is on nodejs.org/dist; name its path by option node (--node)";
/** What every Linux has that Node's own builds run on. */
const common = /^(ld-linux|ld64|libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|libatomic|ld-musl)(?=[.-])/;

/**
 * @throws ReleaseError when it is not there, is for other machines, or needs files that machines do not have.
 */
export async function nodeBinary({ node, platform, arch, notice }: NodeOptions): Promise<NodeBinary> {
  const refuse = (what: string): ReleaseError => new ReleaseError(`Cannot pack Node ${node}: ${what}`, { path: node });
  const source = realOf(node);
  if (source === undefined) throw refuse(`there is no such file; ${download}`);
  const stats = look(source, node);
  if (!stats.isFile()) throw refuse(`it is no file; ${download}`);
  const found = executableOf(source);
  if (!found) throw refuse(`it is no program, but perhaps a script that starts one; ${download}`);
  const wanted = `${platform}-${arch ?? found.arch}`;
  if (found.platform !== platform || found.arch !== (arch ?? found.arch))
    throw refuse(`it is for ${found.platform}-${found.arch}, and the machines are ${wanted}; ${download}`);
  const foreign = found.libraries.filter((library) => !common.test(library));
  if (foreign.length > 0) throw refuse(`it needs ${foreign.join(", ")}, which the machines may not have; ${download}`);
  if (found.interpreter?.includes("musl"))
    notice({
      kind: "node",
      path: node,
      text: `Node ${node} is for musl (Alpine): machines with glibc, as most images of EC2 have it, cannot start it`,
    });
  const isOurs = source === realOf(process.execPath);
  const version = isOurs ? process.version : await versionIn(source);
  if (version === undefined) throw refuse(`its version is not in it; ${download}`);
  const binary = { ...fileEntry("bin/node", source, stats), executable: true };
  return { version, platform, arch: found.arch, entries: [folderEntry("bin", source), binary] };
}

/** Every build knows where its sources are. */
async function versionIn(file: string): Promise<string | undefined> {
  const address = /\/node-(v\d{1,3}\.\d{1,3}\.\d{1,3})(?:-headers)?\.tar\.gz/;
  let before = "";
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20, encoding: "latin1" })) {
    const text = before + (chunk as string);
    const [, version] = address.exec(text) ?? [];
    if (version !== undefined) return version;
    before = text.slice(-64);
  }
  return undefined;
}

/** Files of native addons in packages none of which is for the machines, by package. */
export function addonNotices(entries: readonly Entry[], platform: string, arch: string): Notice[] {
  const packages = new Map<string, { fits: boolean; found: Set<string> }>();
  for (const { kind, path, source } of entries) {
    if (kind !== "file" || !path.endsWith(".node")) continue;
    const [, name] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    const executable = executableOf(source);
    if (name === undefined || !executable) continue;
    const known = packages.get(name) ?? { fits: false, found: new Set() };
    packages.set(name, known);
    known.found.add(`${executable.platform}-${executable.arch}`);
    if (executable.platform === platform && [arch, "universal"].includes(executable.arch)) known.fits = true;
  }
  return [...packages]
    .filter(([, { fits }]) => !fits)
    .map(([path, { found }]) => {
      const text = `${path} has native code for ${[...found].toSorted().join(", ")} and none for ${platform}-${arch}; install for it, as with npm install --os=${platform} --cpu=${arch}`;
      return { kind: "addon", path, text };
    });
}

/** Where no application can be: machines have Node there. */
export function refuseRoot(root: string, nodeFolder: string): void {
  if (root === "/" || isBelow(root, nodeFolder) || isBelow(nodeFolder, root))
    throw new ReleaseError(
      `Cannot pack ${root}: on machines the application is in the same folder, and this one is taken; move it to another`,
    );
}
