import { family } from "../case.ts";

const it = family("types");
export const types = it.cases;
const compiled = { onlyIn: { trait: "tsx" as const, because: "Node cannot run the file at all" } };

it.works("annotations", `
interface Options { size: number; name?: string }
type Pair<T> = [T, T];
const options: Options = { size: 2 };
const pair: Pair<number> = [1, 2];
export const run = (): Promise<number> => flame((): number => { const n: number = options.size; return n + pair[1]!; });
`, 4);

it.works("generics", `
const identity = <T,>(value: T): T => value;
function first<T extends readonly unknown[]>(list: T): T[0] { return list[0]; }
class Box<T = string> { value: T; constructor(value: T) { this.value = value; } map<U>(fn: (value: T) => U): Box<U> { return new Box<U>(fn(this.value)); } }
export const run = () => flame(() => [identity<number>(1), first([2, 3] as const), new Box<number>(3).map<string>((n) => "v" + n).value]);
`, [1, 2, "v3"]);

it.works("as, satisfies, non-null and const assertions", `
const list = [1, 2] as const satisfies readonly number[];
const maybe = { a: 1 } as { a?: number };
export const run = () => flame(() => [(list as readonly number[]).length, maybe.a!, (maybe satisfies object as any).a]);
`, [2, 1, 1]);

it.works("type-only imports and exports", `
import type { Shape } from "./shapes.ts";
import { type Colour, red } from "./shapes.ts";
export type { Shape };
export type Named = Shape & { colour: Colour };
const shape: Named = { kind: "circle", colour: red };
export const run = () => flame(() => (shape as Shape).kind + shape.colour);
`, "circlered", { files: { "shapes.ts": `export interface Shape { kind: string }\nexport type Colour = string;\nexport const red = "red";\n` } });

it.works("type-only import of a module that does not exist at run time", `
import type { Never } from "./never.d.ts";
const value: Never | number = 3;
export const run = () => flame(() => value as number);
`, 3);

it.works("overloads", `
function twice(value: number): number;
function twice(value: string): string;
function twice(value: any) { return value + value; }
class Made { at(index: number): string; at(name: string): string; at(key: unknown) { return "at " + key; } }
export const run = () => flame(() => [twice(2), twice("a"), new Made().at(1)]);
`, [4, "aa", "at 1"]);

it.works("abstract classes", `
abstract class Shape { abstract area(): number; describe() { return "area " + this.area(); } protected abstract readonly sides: number; }
class Square extends Shape { protected readonly sides = 4; side: number; constructor(side: number) { super(); this.side = side; } area() { return this.side ** 2; } }
const square = new Square(3);
export const run = async () => { const back = await flame(() => square); return [await flame(() => new Square(2).describe()), await flame(() => square.describe()), back instanceof Shape]; };
`, ["area 4", "area 9", true]);

it.works("declare, optional and definite members", `
class Row { declare id: number; name!: string; extra?: string; readonly fixed: number = 1; private hidden = 2; static readonly kind: string = "row"; [key: string]: unknown; get all() { return this.hidden + this.fixed; } }
const row = new Row();
row.id = 5;
export const run = () => flame(() => [row.id, row.all, Row.kind, Object.keys(new Row())]);
`, [5, 3, "row", ["name", "extra", "fixed", "hidden"]], { notIn: { tsx: "esbuild does not define fields without a value unless the tsconfig says so" } });

it.works("declared globals and functions", `
declare const VERSION: string | undefined;
declare function nowhere(): void;
declare global { interface Array<T> { notReally(): T } }
export const run = () => flame(() => [typeof VERSION, typeof nowhere]);
`, ["undefined", "undefined"]);

it.works("this parameters, predicates and assertion functions", `
function size(this: { n: number }): number { return this.n; }
const isText = (value: unknown): value is string => typeof value === "string";
function must(value: unknown): asserts value { if (!value) throw new Error("must"); }
export const run = () => flame(function (this: void): unknown[] { must(1); return [size.call({ n: 4 }), isText("a")]; });
`, [4, true]);

it.works("implements, index signatures and accessors with types", `
interface Named { name: string }
class User implements Named { name: string = "u"; private _age: number = 1; get age(): number { return this._age; } set age(value: number) { this._age = value; } }
export const run = () => flame(() => { const user = new User(); user.age = 7; return [user.name, user.age]; });
`, ["u", 7]);

it.works("types between the closure and its captures", `
const factor = 2;
type Inner = { value: typeof factor };
export const run = () => flame(async <T extends Inner>(): Promise<T["value"]> => { type Local = T; interface Other { a: Local } const it = { value: factor } as T; return it.value; });
`, 2);

it.works("types with the names of values", `
const Shape = { kind: "value" };
type Shape = { kind: string };
interface Options { Shape: Shape }
export const run = () => flame(() => { const o: Options = { Shape }; return o.Shape.kind; });
`, "value");

it.works("imports that are used as types only", `
import { Point } from "./point.ts";
import { add } from "./point.ts";
export const run = () => flame(() => { const p: InstanceType<typeof Point> = { x: add(1, 1) } as Point; return p.x; });
`, 2, { files: { "point.ts": `export class Point { x = 1; }\nexport const add = (a: number, b: number) => a + b;\n` } });

it.works("instance captured of a typed class", `
class Pair<A, B> { readonly left: A; readonly right: B; constructor(left: A, right: B) { this.left = left; this.right = right; } swap(): Pair<B, A> { return new Pair(this.right, this.left); } }
const pair: Pair<string, number> = new Pair("a", 1);
export const run = async () => { const back = await flame(() => pair.swap()); return [back instanceof Pair, back.left, back.right]; };
`, [true, 1, "a"]);

it.works("empty type namespaces and type-only blocks", `
namespace Types { export type Id = number; export interface Row { id: Id } }
const row: Types.Row = { id: 3 };
export const run = () => flame(() => row.id);
`, 3);

it.works("enum, compiled", `
enum Colour { Red = "red", Blue = "blue" }
const colour = Colour.Blue;
export const run = () => flame(() => [colour, Colour.Red]);
`, ["blue", "red"], compiled);

it.works("namespace with values, compiled", `
namespace Tools { export const twice = (n: number) => n * 2; }
export const run = () => flame(() => Tools.twice(4));
`, 8, compiled);

it.works("parameter properties, compiled", `
class Point { constructor(readonly x: number, private y = 2) {} sum() { return this.x + this.y; } }
const point = new Point(3);
export const run = async () => { const back = await flame(() => { point.sum(); return point; }); return [back instanceof Point, back.sum()]; };
`, [true, 5], compiled);

it.works("imported enum, compiled", `
import { Level } from "./level.ts";
export const run = () => flame(() => [Level.High, Level[0]]);
`, [1, "Low"], { ...compiled, files: { "level.ts": `export enum Level { Low, High }\n` } });

it.works("decorated classes elsewhere in the file, compiled", `
const seen: string[] = [];
const watch = (value: any, context: { name?: string | symbol }) => { seen.push(String(context.name)); return value; };
@watch class Service { @watch start() { return "started"; } }
const n = 4;
export const run = async () => [seen.toSorted(), new Service().start(), await flame(() => n + 1)];
`, [["Service", "start"], "started", 5], compiled);
