/**
 * Declarations that capture values are made once per runner and distinct captures, so that their statics and caches
 * hold between calls. A group is a set of such declarations that reach each other; it is encoded by itself, and its
 * bytes are its name. What a group shares with anything outside of it cannot be kept from call to call, so such a group
 * (and every group that reaches it) is written in place instead.
 */
import { encode } from "../value/encode.ts";
import type { Description, EncodeHooks, LiveCollector, PathStep } from "../value/port.ts";
import { childrenOf } from "./children.ts";
import { type Located, locate } from "./locate.ts";
import { moved } from "./refuse.ts";

/** Thrown by the first declaration that wants a group: the walk below is only paid for when there is one. */
export const needGroups = new Error("groups are needed");

export interface GroupHost {
  readonly live: LiveCollector | undefined;
  /** Hooks that share everything with the host's own but which declarations are written in place. */
  within(groups: Groups): EncodeHooks;
}

export interface Groups {
  /** How to write `fn`, or undefined when it must be written in place. */
  handle(fn: object, host: GroupHost, path: () => readonly PathStep[]): Description | undefined;
}

interface Group {
  readonly members: object[];
  shared: boolean;
  encoded?: readonly [bytes: Uint8Array, ...buffers: Uint8Array[]];
}

interface Vertex {
  readonly fn: object;
  index: number;
  low: number;
  open: boolean;
  group?: Group;
  readonly reaches: Set<Vertex>;
}

export function findGroups(root: object): Groups {
  const vertices = new Map<object, Vertex>();
  const owners = new Map<object, Set<Vertex | undefined>>();
  const stack: Vertex[] = [];

  /** Walks everything that belongs to `owner` alone, and enters the declarations it reaches (Tarjan). */
  const walk = (values: Iterable<unknown>, owner: Vertex | undefined): void => {
    const seen = new Set<object>();
    const todo = [...values];
    while (todo.length > 0) {
      const value = todo.pop();
      if ((typeof value !== "object" && typeof value !== "function") || value === null || seen.has(value)) continue;
      seen.add(value);
      const located = typeof value === "function" && value !== root ? locate(value) : undefined;
      if (located?.unit.pure) continue;
      if (located?.unit.info?.declared) {
        const vertex = vertices.get(value) ?? enter(value, located);
        if (!owner) continue;
        owner.reaches.add(vertex);
        if (vertex.open) owner.low = Math.min(owner.low, vertex.low);
        continue;
      }
      const known = owners.get(value);
      if (known) known.add(owner);
      else owners.set(value, new Set([owner]));
      todo.push(
        ...(typeof value === "function" ? capturesOf(value === root ? locate(value) : located) : childrenOf(value)),
      );
    }
  };

  const enter = (fn: object, located: Located): Vertex => {
    const index = vertices.size;
    const vertex: Vertex = { fn, index, low: index, open: true, reaches: new Set() };
    vertices.set(fn, vertex);
    stack.push(vertex);
    walk(capturesOf(located), vertex);
    if (vertex.low === vertex.index) {
      const group: Group = { members: [], shared: false };
      let member: Vertex;
      do {
        member = stack.pop()!;
        member.open = false;
        member.group = group;
        group.members.push(member.fn);
      } while (member !== vertex);
      group.members.sort((left, right) => locate(left)!.unit.number - locate(right)!.unit.number);
    }
    return vertex;
  };

  walk([root], undefined);
  for (const holders of owners.values()) {
    const groups = new Set([...holders].map((holder) => holder?.group));
    if (groups.size > 1) for (const group of groups) if (group) group.shared = true;
  }
  spreadShared(vertices);

  return {
    handle(fn, host, path) {
      const group = vertices.get(fn)?.group;
      if (!group || group.shared) return undefined;
      group.encoded ??= encodeGroup(group, this, host, path());
      if (group.shared) return undefined;
      const [bytes, ...buffers] = group.encoded;
      return { kind: "handle", type: "group", data: [bytes, group.members.indexOf(fn), ...buffers] };
    },
  };
}

/** Members in place, everything else of the host's own making. */
function encodeGroup(
  group: Group,
  groups: Groups,
  host: GroupHost,
  path: readonly PathStep[],
): readonly [Uint8Array, ...Uint8Array[]] {
  const inside: Groups = {
    handle: (fn, inner, way) => (group.members.includes(fn) ? undefined : groups.handle(fn, inner, way)),
  };
  const { live } = host;
  const found = live?.found.length ?? 0;
  try {
    const payload = encode(group.members, host.within(inside));
    // Bytes that are still being read cannot name anything, and what is live belongs to one call.
    if (payload.pending || (live && live.found.length > found)) group.shared = true;
    if (group.shared) live?.rewind(found);
    return [payload.bytes, ...payload.buffers];
  } catch (error) {
    throw moved(error, path);
  }
}

function capturesOf(located: Located | undefined): unknown[] {
  if (!located) return [];
  return located.unit.names.map((name) => {
    try {
      return located.read(name);
    } catch {
      // The encoder will say so, and where.
      return undefined;
    }
  });
}

function spreadShared(vertices: Map<object, Vertex>): void {
  for (let changed = true; changed;) {
    changed = false;
    for (const { group, reaches } of vertices.values()) {
      if (group!.shared) continue;
      if ([...reaches].some((vertex) => vertex.group!.shared)) changed = group!.shared = true;
    }
  }
}
