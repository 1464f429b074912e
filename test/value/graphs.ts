import * as fc from "fast-check";
import { code, Failure, Money, Point, Registry, Stack, Tags } from "./classes.ts";

/**
 * Arbitrary graphs: a number of nodes is made first, then edges between any two of them are drawn, so that sharing and
 * cycles come by themselves. An edge is a primitive or the index of a node.
 */
type Edge = { readonly node: number } | { readonly primitive: unknown };
type Key = string | symbol;
interface Plan {
  readonly kind: number;
  readonly edges: readonly (readonly [Key, Edge])[];
  readonly seed: number;
  readonly integrity: number;
  readonly attributes: number;
}

const key: fc.Arbitrary<Key> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "a",
      "b",
      "id",
      "name",
      "value",
      "7",
      "1",
      "__proto__",
      "constructor",
      "é",
      "日",
      "-1",
      "length ",
    ),
  },
  { weight: 2, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.constantFrom(Symbol.iterator, Symbol.for("k"), Symbol.for("")) },
);

// prettier-ignore
export const primitive: fc.Arbitrary<unknown> = fc.oneof(
  fc.integer(), fc.double(), fc.constantFrom(0, -0, NaN, Infinity, 63, 64, -1, 2 ** 31, 2 ** 53), fc.string(),
  fc.string({ unit: "binary", maxLength: 90 }), fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((units) => String.fromCharCode(...units)),
  fc.bigInt(), fc.boolean(), fc.constantFrom(undefined, null, Symbol.for("s"), Symbol.asyncIterator),
);

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.nat(),
  edges: fc.array(
    fc.tuple(key, fc.oneof(fc.record({ node: fc.nat() }), fc.record({ primitive }))) as fc.Arbitrary<[Key, Edge]>,
    { maxLength: 6 },
  ),
  seed: fc.nat(255),
  integrity: fc.oneof(
    { weight: 5, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) },
  ),
  attributes: fc.oneof(
    { weight: 5, arbitrary: fc.constant(7) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 7 }) },
  ),
});

type Fill = (plan: Plan, of: (edge: Edge) => unknown) => void;
type Maker = (plan: Plan, memory: ArrayBuffer) => readonly [object, Fill?];

const map = (target: Map<unknown, unknown>): readonly [object, Fill] => [
  target,
  ({ edges }, of) =>
    edges.forEach(([name, edge], i) => Map.prototype.set.call(target, i % 2 ? of(edge) : name, of(edge))),
];
const set = (target: Set<unknown>): readonly [object, Fill] => [
  target,
  ({ edges }, of) => edges.forEach(([, edge]) => target.add(of(edge))),
];
const array = (target: unknown[]): readonly [object, Fill] => [
  target,
  ({ edges, seed }, of) => {
    edges.forEach(([, edge], i) => {
      if ((seed >> i) & 1) target[i * (seed > 250 ? 500 : 1)] = of(edge);
      else target.length = i + 1;
    });
  },
];
const error = <T extends Error>(target: T, seed: number): T => {
  if (seed % 3 === 0) delete (target as { stack?: string }).stack;
  return target;
};

/** Only these get the edges as properties too; a list of its own kind for each way to hold values. */
const makers: readonly Maker[] = [
  () => [{}],
  () => [{}],
  () => [Object.create(null) as object],
  () => array([]),
  () => array(new Stack()),
  () => map(new Map()),
  () => map(new Registry()),
  () => set(new Set()),
  () => set(new Tags()),
  () => [Object.create(Point.prototype) as object],
  ({ seed }) => [error(new TypeError(`m${seed}`), seed)],
  ({ seed }) => [error(new Failure(`m${seed}`, { cause: seed }), seed)],
  ({ seed }) => [new Date(seed * 1e9)],
  ({ seed }) => [Object.assign(/a(b)/gy, { lastIndex: seed })],
  ({ seed }) => [Object([seed, `text${seed}`, BigInt(seed), seed % 2 === 0][seed % 4]) as object],
  ({ seed }) => [new URL(`http://host/${seed}`)],
  ({ seed }, memory) => [new Uint8Array(memory, seed % 8, seed % 9)],
  (_, memory) => [new Int16Array(memory)],
  ({ seed }) => [Buffer.from(`bytes ${seed}`)],
  ({ seed }) => [new ArrayBuffer(seed % 20)],
];
/** Kinds that show their elements as own properties, or whose own properties the codec makes again by other means. */
const propertyless = new Set([3, 4, 14, 16, 17, 18]);

export const graph: fc.Arbitrary<unknown> = fc.array(plan, { minLength: 1, maxLength: 14 }).map((plans) => {
  const memory = Uint8Array.from({ length: 16 }, (_, i) => i).buffer;
  const nodes = plans.map((one) => (makers[one.kind % makers.length] as Maker)(one, memory));
  const of = (edge: Edge): unknown => ("primitive" in edge ? edge.primitive : nodes[edge.node % nodes.length]?.[0]);
  plans.forEach((one, i) => {
    const [target, fill] = nodes[i] as readonly [object, Fill?];
    if (fill) fill(one, of);
    else if (!propertyless.has(one.kind % makers.length)) setProperties(target, one, of);
    if (!ArrayBuffer.isView(target) || (target.byteLength === 0 && one.integrity < 3)) protect(target, one.integrity);
  });
  return nodes.map(([node]) => node);
});

function setProperties(target: object, { edges, attributes }: Plan, of: (edge: Edge) => unknown): void {
  edges.forEach(([name, edge], i) => {
    if (target instanceof Error && (name === "stack" || name === "name")) return;
    const bits = i === 0 ? attributes : 7;
    if (Object.hasOwn(target, name)) return;
    const [writable, enumerable, configurable] = [(bits & 1) > 0, (bits & 2) > 0, (bits & 4) > 0];
    Object.defineProperty(target, name, { value: of(edge), writable, enumerable, configurable });
  });
}

function protect(target: object, integrity: number): void {
  if (integrity === 1) Object.preventExtensions(target);
  if (integrity === 2) Object.seal(target);
  if (integrity === 3) Object.freeze(target);
}

/** Values with code and custom instances, for messages whose bytes are then damaged. */
export const everything: fc.Arbitrary<unknown> = fc.tuple(graph, fc.nat(9)).map(([nodes, unit]) => {
  const late: unknown[] = [nodes];
  const f = code(unit, [], late, "f");
  late.push(f, code(unit, [f], late, "g"));
  return { nodes, f, money: [new Money(unit, nodes)], knot: late };
});
