import { bodies } from "./builtins.ts";
import { LABEL } from "./path.ts";
import { CUSTOM, HANDLE, INSTANCE, NAMED, bases } from "./tags.ts";
import type { Body, Walk } from "./walk.ts";

/** Writes a function, or an instance of a class that is not built in, as the hooks describe it. */
export function writeDescribed(walk: Walk, value: object, depth: number): void {
  const { writer } = walk;
  const number = walk.identities.latest;
  const description = walk.describe(value, depth);
  switch (description.kind) {
    case "code": {
      const { early, late, names } = description;
      const body: Body = (inner, values, at) => {
        inner.writer.varint(late.length);
        inner.list(values as readonly unknown[], names.slice(early.length), at);
      };
      return walk.code(number, late, early, names, depth, body, () => {
        writer.varint(description.unit);
        writer.string(description.name);
      });
    }
    case "instance": {
      const body = bodies[description.base];
      const later = walk.putOff(value, depth, body);
      writer.byte(INSTANCE);
      writer.byte(bases.indexOf(description.base));
      walk.trail.step(depth + 1, LABEL, "<class>");
      walk.value(description.class, depth + 1);
      if (!later) body(walk, value, depth);
      return;
    }
    case "custom":
      writer.byte(CUSTOM);
      walk.before(number, [description.class], "class", depth);
      return walk.before(number, [description.state], "state", depth);
    case "named":
      writer.byte(NAMED);
      return writer.string(description.name);
    case "handle":
      writer.byte(HANDLE);
      writer.string(description.type);
      return walk.before(number, [description.data], "data", depth);
  }
}
