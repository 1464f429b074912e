import { family } from "../case.ts";

const it = family("classes");
export const classes = it.cases;

const shapes = `
export class Shape {
  static made = 0;
  name: string;
  constructor(name: string) { this.name = name; }
  describe() { return "shape " + this.name; }
}
export class Circle extends Shape {
  radius = 2;
  override describe() { return super.describe() + " r" + this.radius; }
}
export class Broken extends Error {
  override name = "Broken";
  code = "E_BROKEN";
}
export default class Box { items: unknown[] = []; }
`;
const inFlight = "a class is known by its declaration alone, so the one that was captured last is taken";
const imported = { files: { "shapes.ts": shapes } };

it.works("class made on the runner", `
class Point { x: number; constructor(x: number) { this.x = x; } twice() { return this.x * 2; } }
export const run = () => flame(() => new Point(4).twice());
`, 8);

it.works("inheritance over three levels with super", `
class A { who() { return "a"; } static kind() { return "A"; } }
class B extends A { override who() { return super.who() + "b"; } static override kind() { return super.kind() + "B"; } }
class C extends B { override who() { return super.who() + "c"; } static override kind() { return super.kind() + "C"; } }
export const run = () => flame(() => [new C().who(), C.kind(), new C() instanceof A, C.name]);
`, ["abc", "ABC", true, "C"], { notIn: { minified: "names are shortened" } });

it.works("statics and static blocks", `
const start = 5;
class Counter {
  static count = start;
  static list: number[] = [];
  static { Counter.list.push(Counter.count * 2); }
  static next() { return ++Counter.count; }
}
export const run = () => flame(() => [Counter.next() > 5, Counter.list]);
`, [true, [10]]);

it.works("private members of a class made on the runner", `
class Account {
  #balance = 10;
  static #made = 0;
  static { Account.#made++; }
  #add(n: number) { this.#balance += n; return this; }
  get balance() { return this.#balance; }
  set balance(n) { this.#balance = n; }
  deposit(n: number) { return this.#add(n).#balance; }
  static is(value: object) { return #balance in value; }
  static get made() { return Account.#made; }
}
export const run = () => flame(() => { const a = new Account(); a.deposit(5); a.balance *= 2; return [a.balance, Account.is(a), Account.is({}), Account.made]; });
`, [30, true, false, 1]);

it.works("getters, setters and computed members", `
const key = "dynamic";
class Bag {
  values: string[] = [];
  get first() { return this.values[0]; }
  set first(value) { this.values.unshift(value!); }
  [key + "Name"]() { return this.values.length; }
  static [key] = "static " + key;
}
export const run = () => flame(() => { const bag = new Bag() as any; bag.first = "x"; return [bag.first, bag.dynamicName(), (Bag as any).dynamic]; });
`, ["x", 1, "static dynamic"]);

it.works("iterators, async methods and generators", `
class Numbers {
  to: number;
  constructor(to: number) { this.to = to; }
  *[Symbol.iterator]() { for (let i = 1; i <= this.to; i++) yield i; }
  async *[Symbol.asyncIterator]() { for (const n of this) yield n; }
  async sum() { let sum = 0; for await (const n of this) sum += n; return sum; }
  static async of(n: number) { return new Numbers(n); }
}
export const run = () => flame(async () => [[...new Numbers(3)], await (await Numbers.of(4)).sum(), new Numbers(1)[Symbol.iterator]().next()]);
`, [[1, 2, 3], 10, { value: 1, done: false }]);

it.works("class expressions", `
const Named = class { kind = "assigned"; };
const list = [class { kind = "listed"; }];
const maker = () => class { kind = "made"; };
const Made = maker();
export const run = () => flame(() => [new Named().kind, Named.name, new list[0]!().kind, new Made().kind]);
`, ["assigned", "Named", "listed", "made"], { notIn: { minified: "names are shortened" } });

it.works("mixins", `
type Constructor = new (...args: any[]) => object;
const Timed = <T extends Constructor>(Base: T) => class extends Base { time = 5; };
const Named = <T extends Constructor>(Base: T) => class extends Base { name = "mixed"; };
class Base { base = 1; }
class Mixed extends Timed(Named(Base)) { own = 2; }
export const run = () => flame(() => ({ ...new Mixed() }));
`, { base: 1, name: "mixed", time: 5, own: 2 });

it.works("base class that is a local value", `
const bases = [class { base = 1; }];
export function run() {
  const Base = bases[0]!;
  class Derived extends Base { own = 2; }
  return flame(() => ({ ...new Derived() }));
}
`, { base: 1, own: 2 });

it.works("static field and computed name made of local values", `
export function run() {
  const list = [1, 2], key = "k" + list.length;
  class Holder { static first = list[0]; [key]() { return 3; } }
  return flame(() => [Holder.first, (new Holder() as any).k2()]);
}
`, [1, 3], { notIn: { inspector: "nothing keeps these variables" } });

it.refuses("static field and computed name made of local values, seen too late", `
export function run() {
  const list = [1, 2], key = "k" + list.length;
  class Holder { static first = list[0]; [key]() { return 3; } }
  return flame(() => Holder.first);
}
`, { message: /^Cannot send `Holder` to a runner: it used `\w+` while it was being defined, which cannot be seen any more; start with --import tinderbox\/register/, path: ["Holder"], at: "Holder.first" },
{ onlyIn: { trait: "inspector", because: "stamps keep the variables" } });

it.works("class that captures", `
let unit = "cm";
class Length { n: number; constructor(n: number) { this.n = n; } toString() { return this.n + unit; } }
unit = "mm";
export const run = () => flame(() => String(new Length(3)));
`, "3mm");

it.works("class of a function, once for each call of it", `
const make = (unit: string) => class Length { show(n: number) { return n + unit; } };
const Metre = make("m"), Foot = make("ft");
export const run = () => flame(() => [new Metre().show(1), new Foot().show(2), (Metre as unknown) === Foot]);
`, ["1m", "2ft", false]);

it.works("extends an imported class", `
import { Circle } from "./shapes.ts";
class Ring extends Circle { override describe() { return "ring of " + super.describe(); } }
export const run = () => flame(() => new Ring("r").describe());
`, "ring of shape r r2", imported);

it.works("extends a member of a namespace and of node", `
import { EventEmitter } from "node:events";
import * as shapes from "./shapes.ts";
class Loud extends EventEmitter {}
class Round extends shapes.Shape {}
export const run = () => flame(() => { const found: string[] = []; new Loud().on("x", (y) => found.push(y)).emit("x", "heard"); return [found, new Round("n").describe()]; });
`, [["heard"], "shape n"], imported);

it.works("extends null and built-in classes", `
class Empty extends null { static kind = "empty"; }
class Bag extends Map<string, number> { total() { let sum = 0; for (const n of this.values()) sum += n; return sum; } }
class Stack extends Array<number> { top() { return this.at(-1); } }
class Tags extends Set<string> { sorted() { return [...this].sort(); } }
export const run = () => flame(() => [(Empty as any).kind, new Bag([["a", 2], ["b", 3]]).total(), Stack.from([1, 2]).top(), new Tags(["b", "a"]).sorted()]);
`, ["empty", 5, 2, ["a", "b"]]);

it.works("instance captured", `
class Point { x: number; y: number; constructor(x: number, y: number) { this.x = x; this.y = y; } sum() { return this.x + this.y; } }
const point = new Point(1, 2);
export const run = () => flame(() => [point.sum(), point instanceof Point, point.constructor === Point, { ...point }]);
`, [3, true, true, { x: 1, y: 2 }]);

it.works("instance of a derived class captured", `
class A { a = 1; get twice() { return this.a * 2; } }
class B extends A { b = 2; override get twice() { return super.twice + this.b; } }
const b = new B();
b.a = 10;
export const run = () => flame(() => [b.twice, b instanceof A, b instanceof B, Object.keys(b)]);
`, [22, true, true, ["a", "b"]]);

it.works("constructor does not run again for a captured instance", `
class Once { static made = 0; number: number; constructor() { this.number = ++Once.made; } }
const once = new Once();
export const run = async () => { const [number, made, back] = await flame(() => [once.number, Once.made, once] as const); return [number, made, back.number, Once.made]; };
`, [1, 0, 1, 1]);

it.works("instances in a Map, an array and each other", `
class Item { next: Item | undefined; id: number; constructor(id: number) { this.id = id; } }
const first = new Item(1), second = new Item(2);
first.next = second;
second.next = first;
const all = { list: [first, second], map: new Map([[first, "first"]]), set: new Set([second]) };
export const run = () => flame(() => [all.list[0]!.next!.next === all.list[0], all.map.get(first), all.set.has(first.next!), all.list.every((item) => item instanceof Item)]);
`, [true, "first", true, true]);

it.works("instance returned, class of the file", `
class Point { x: number; constructor(x: number) { this.x = x; } twice() { return this.x * 2; } }
export const run = async () => { const point = await flame(() => new Point(21)); return [point instanceof Point, point.twice()]; };
`, [true, 42]);

it.works("instance returned, class that captures", `
let factor = 2;
class Point { x: number; constructor(x: number) { this.x = x; } scaled() { return this.x * factor; } }
export const run = async () => { const point = await flame(() => new Point(21)); factor = 3; return [point instanceof Point, point.scaled()]; };
`, [true, 63]);

it.works("instance returned, class of a function", `
export async function run() {
  class Local { x = 4; }
  const local = await flame(() => new Local());
  return [local instanceof Local, local.x];
}
`, [true, 4]);

it.works("instance returned, class that a function makes twice", `
const make = (unit: string) => class Length { n = 1; show() { return this.n + unit; } };
const Metre = make("m"), Foot = make("ft");
export const run = async () => {
  const metre = await flame(() => new Metre()), foot = await flame(() => new Foot());
  return [metre instanceof Metre, metre.show(), foot instanceof Foot, foot.show()];
};
`, [true, "1m", true, "1ft"]);

it.works("instances returned, classes of one declaration in flight", `
const make = (unit: string) => class Length { show() { return unit; } };
const Metre = make("m"), Foot = make("ft");
export const run = async () => { const [metre, foot] = await Promise.all([flame(() => new Metre()), flame(() => new Foot())]); return [metre.show(), foot.show()]; };
`, ["m", "ft"], { broken: { stamps: inFlight, inspector: inFlight } });

it.works("instance returned, imported class", `
import { Circle, Shape } from "./shapes.ts";
export const run = async () => { const circle = await flame(() => new Circle("c")); return [circle instanceof Circle, circle instanceof Shape, circle.describe()]; };
`, [true, true, "shape c r2"], imported);

it.works("instance returned, default and namespace imports", `
import Box from "./shapes.ts";
import * as shapes from "./shapes.ts";
export const run = async () => {
  const box = await flame(() => { const made = new Box(); made.items.push(1); return made; });
  const shape = await flame(() => new shapes.Shape("s"));
  return [box instanceof Box, box.items, shape instanceof shapes.Shape];
};
`, [true, [1], true], imported);

it.works("instance captured and returned, members of a required object", `
const shapes = require("./shapes.cjs");
const point = new shapes.Point(2);
exports.run = async () => { const [there, back, made] = await flame(() => [point instanceof shapes.Point, point, new shapes.Point(5)]); return [there, back instanceof shapes.Point, back.x, made instanceof shapes.Point, made.x]; };
`, [true, true, 2, true, 5], { language: "cjs", files: { "shapes.cjs": `exports.Point = class Point { constructor(x) { this.x = x; } };
` } });

it.works("instance returned, registered class", `
import { flame } from "tinderbox";
import { Money, pay } from "./money.ts";
export const run = async () => { const money = await flame(() => pay(5)); return [money instanceof Money, money.cents]; };
`, [true, 500], { files: { "money.ts": `
import { registerClass } from "tinderbox";
export class Money { cents: number; constructor(cents: number) { this.cents = cents; } }
registerClass(Money, "test.Money");
export const pay = (euros: number) => new Money(euros * 100);
` } });

it.works("instance captured, registered class of an imported module", `
import { flame } from "tinderbox";
import { pay } from "./money.ts";
const money = pay(5);
export const run = async () => { const back = await flame(() => [money.cents, pay(1).constructor === money.constructor, money] as const); return [back[0], back[1], back[2] instanceof money.constructor]; };
`, [500, true, true], { files: { "money.ts": `
import { registerClass } from "tinderbox";
export class Money { cents: number; constructor(cents: number) { this.cents = cents; } }
registerClass(Money, "test.Money2");
export const pay = (euros: number) => new Money(euros * 100);
` } });

it.works("instance captured, imported class", `
import { Circle } from "./shapes.ts";
const circle = new Circle("c");
circle.radius = 9;
export const run = async () => { const [text, same, back] = await flame(() => [circle.describe(), circle instanceof Circle, circle] as const); return [text, same, back instanceof Circle, back.radius, back === circle]; };
`, ["shape c r9", true, true, 9, false], imported);

it.works("instance captured, class imported as a member of a namespace", `
import * as shapes from "./shapes.ts";
const circle = new shapes.Circle("c");
export const run = () => flame(() => [circle.describe(), circle instanceof shapes.Circle]);
`, ["shape c r2", true], imported);

it.works("instances returned within other values", `
class Item { id: number; constructor(id: number) { this.id = id; } }
export const run = async () => {
  const { list, map, shared } = await flame(() => { const a = new Item(1); return { list: [a, new Item(2)], map: new Map([["a", a]]), shared: a }; });
  return [list.every((item) => item instanceof Item), map.get("a") === shared, list[0] === shared, list[1]!.id];
};
`, [true, true, true, 2]);

it.works("captured instance comes back as its class", `
class Item { id = 1; }
const item = new Item();
export const run = async () => { const back = await flame(() => { item.id++; return item; }); return [back instanceof Item, back.id, item.id, back === item]; };
`, [true, 2, 1, false]);

it.works("instance of a subclass returned from a helper", `
class Base { base = 1; }
class Derived extends Base { own = 2; }
const make = (): Base => new Derived();
export const run = async () => { const back = await flame(() => make()); return [back instanceof Derived, back instanceof Base, { ...back }]; };
`, [true, true, { base: 1, own: 2 }]);

it.works("instances of Map, Set and Array subclasses, both ways", `
class Bag extends Map<string, number> { label = "bag"; total() { return [...this.values()].reduce((a, b) => a + b, 0); } }
class Tags extends Set<string> { join() { return [...this].join("+"); } }
class Stack extends Array<number> { top() { return this.at(-1); } }
const bag = new Bag([["a", 1]]), tags = new Tags(["x", "y"]), stack = Stack.from([1, 2]) as Stack;
export const run = async () => {
  const [there, back] = await flame(() => { bag.set("b", 2); return [[bag.total(), tags.join(), stack.top(), bag instanceof Bag], [bag, tags, stack]] as const; });
  return [there, back[0] instanceof Bag, back[0].total(), back[0].label, back[1] instanceof Tags, back[1].join(), back[2] instanceof Stack, back[2].length, back[2].top()];
};
`, [[3, "x+y", 2, true], true, 3, "bag", true, "x+y", true, 2, 2]);

it.works("error of the file's own class, thrown", `
class Refused extends Error { code: string; constructor(message: string, code: string) { super(message); this.name = "Refused"; this.code = code; } }
export const run = async () => flame(() => { throw new Refused("no", "E7"); }).catch((error) => [error instanceof Refused, error instanceof Error, error.name, error.message, error.code]);
`, [true, true, "Refused", "no", "E7"]);

it.works("error of an imported class, thrown with a cause", `
import { Broken } from "./shapes.ts";
export const run = async () => flame(() => { throw new Broken("b", { cause: new TypeError("inner", { cause: 7 }) }); })
  .catch((error) => [error instanceof Broken, error.code, error.cause instanceof TypeError, error.cause.message, error.cause.cause]);
`, [true, "E_BROKEN", true, "inner", 7], imported);

it.works("error of a registered class, thrown", `
import { flame } from "tinderbox";
import { Late, fail } from "./late.ts";
export const run = async () => flame(() => fail()).catch((error) => [error instanceof Late, error.minutes]);
`, [true, 5], { files: { "late.ts": `
import { registerClass } from "tinderbox";
export class Late extends Error { minutes = 5; }
registerClass(Late, "test.Late");
export const fail = () => { throw new Late("late"); };
` } });

it.works("error of a class that the parent does not know, thrown", `
import { fail } from "./fail.ts";
export const run = async () => flame(() => fail()).catch((error) => [error instanceof Error, error.constructor === Error, error.name, error.message, error.code, error.cause.message]);
`, [true, true, "Hidden", "hidden message", "E_HIDDEN", "why"], { files: { "fail.ts": `
class Hidden extends Error { override name = "Hidden"; code = "E_HIDDEN"; }
export const fail = () => { throw new Hidden("hidden message", { cause: new Error("why") }); };
` } });

it.works("error of a class made in the closure, thrown", `
export const run = async () => flame(() => { class Inner extends RangeError { detail = [1]; } throw new Inner("in"); })
  .catch((error) => [error instanceof Error, error.message, error.detail]);
`, [true, "in", [1]]);

it.works("built-in and node errors, thrown", `
import { readFileSync } from "node:fs";
export const run = async () => [
  await flame(() => { throw new RangeError("r"); }).catch((error) => [error instanceof RangeError, error.message]),
  await flame(() => readFileSync("/nowhere/at/all")).catch((error) => [error instanceof Error, error.code, error.syscall, error.path]),
  await flame(() => new URL("nonsense")).catch((error) => [error instanceof TypeError, error.code]),
  await flame(() => JSON.parse("{")).catch((error) => error instanceof SyntaxError),
  await flame(() => { throw new AggregateError([new Error("a"), new TypeError("b")], "many"); }).catch((error) => [error instanceof AggregateError, error.errors.map((each: Error) => each.name)]),
  await flame(() => { throw "text"; }).catch((error) => error),
  await flame(() => { throw undefined; }).catch((error) => [error]),
  await flame(() => { throw { code: 4 }; }).catch((error) => error),
  await flame(async () => { await null; throw new DOMException("gone", "AbortError"); }).catch((error) => [error instanceof DOMException, error.name, error.code]),
];
`, [[true, "r"], [true, "ENOENT", "open", "/nowhere/at/all"], [true, "ERR_INVALID_URL"], true, [true, ["Error", "TypeError"]], "text", [undefined], { code: 4 }, [true, "AbortError", 20]]);

it.works("error captured", `
class Refused extends Error { code = "E1"; }
const error = new Refused("kept", { cause: new RangeError("inner") });
export const run = () => flame(() => [error instanceof Refused, error.message, error.code, error.cause instanceof RangeError, typeof error.stack]);
`, [true, "kept", "E1", true, "string"]);

it.works("private state with serialize and revive, both ways", `
import { flame, serialize, revive } from "tinderbox";
class Secret {
  #value: string;
  constructor(value: string) { this.#value = value; }
  read() { return this.#value; }
  [serialize]() { return { value: this.#value, at: new Date(5) }; }
  static [revive](state: { value: string; at: Date }) { return new Secret(state.value + state.at.getTime()); }
}
const secret = new Secret("s");
export const run = async () => { const [there, back] = await flame(() => [secret.read(), secret] as const); return [there, back instanceof Secret, back.read()]; };
`, ["s5", true, "s55"]);

it.works("serialize and revive of an imported class", `
import { Secret } from "./secret.ts";
const secret = new Secret("s");
export const run = async () => { const back = await flame(() => new Secret(secret.read() + "!")); return [back instanceof Secret, back.read()]; };
`, [true, "s!"], { files: { "secret.ts": `
import { serialize, revive } from "tinderbox";
export class Secret {
  #value: string;
  constructor(value: string) { this.#value = value; }
  read() { return this.#value; }
  [serialize]() { return this.#value; }
  static [revive](state: string) { return new Secret(state); }
}
` } });

it.works("private static members do not keep instances from travelling", `
class Item { static #made = 0; id: number; constructor() { this.id = ++Item.#made; } text = "#not private"; }
const item = new Item();
export const run = () => flame(() => [item.id, item.text, item instanceof Item]);
`, [1, "#not private", true]);

it.works("class as a value", `
class A { kind = "a"; }
class B { kind = "b"; }
const kinds = { A, list: [B] };
export const run = () => flame(() => [new kinds.A().kind, new kinds.list[0]!().kind, kinds.A === A]);
`, ["a", "b", true]);

it.works("imported class as a value", `
import { Circle } from "./shapes.ts";
const kinds = new Map([["circle", Circle]]);
export const run = () => flame(() => [new (kinds.get("circle")!)("m").describe(), kinds.get("circle") === Circle]);
`, ["shape m r2", true], imported);

it.works("classes that refer to each other", `
class Parent { children: Child[] = []; add() { this.children.push(new Child(this)); return this; } }
class Child { parent: Parent; constructor(parent: Parent) { this.parent = parent; } }
const family = new Parent().add();
export const run = async () => { const back = await flame(() => family.add()); return [back instanceof Parent, back.children.length, back.children.every((child) => child instanceof Child && child.parent === back)]; };
`, [true, 2, true]);

it.works("classes that need each other while they are being defined", `
class Owned { owner() { return Owner; } }
function make() { return new Owned(); }
class Owner { static first = make(); }
export const run = () => flame(() => Owner.first.owner() === Owner);
`, true);

it.works("field functions and instances that hold functions", `
class Handler { prefix = "h"; handle = (text: string) => this.prefix + text; }
export const run = () => flame(() => new Handler().handle("x"));
`, "hx");

it.works("instance that holds a plain function", `
const upper = (text: string) => text.toUpperCase();
class Handler { fn: (text: string) => string; constructor(fn: (text: string) => string) { this.fn = fn; } }
const handler = new Handler(upper);
export const run = () => flame(() => [handler.fn("x"), handler instanceof Handler]);
`, ["X", true]);

it.works("Symbol.hasInstance, toPrimitive and toStringTag", `
class Even {
  n = 4;
  static [Symbol.hasInstance](value: unknown) { return typeof value === "number" && value % 2 === 0; }
  [Symbol.toPrimitive]() { return this.n; }
  get [Symbol.toStringTag]() { return "Even"; }
}
const even = new Even();
export const run = () => flame(() => [(4 as unknown) instanceof Even, +even, Object.prototype.toString.call(even)]);
`, [true, 4, "[object Even]"]);

it.works("old-style class of functions", `
function Animal(this: any, name: string) { this.name = name; }
export const run = () => flame(() => { Animal.prototype.speak = function () { return this.name + "!"; }; return new (Animal as any)("cat").speak(); });
`, "cat!");

it.works("singleton and static factory", `
class Config {
  static #instance: Config | undefined;
  values = new Map<string, number>();
  static get instance() { return (Config.#instance ??= new Config()); }
}
export const run = () => flame(() => { Config.instance.values.set("a", 1); return [Config.instance === Config.instance, Config.instance.values.get("a")]; });
`, [true, 1]);

it.works("accessors on a class and its instance's prototype", `
class Temperature { celsius = 100; get fahrenheit() { return this.celsius * 1.8 + 32; } set fahrenheit(f) { this.celsius = (f - 32) / 1.8; } }
const t = new Temperature();
export const run = async () => { const back = await flame(() => { t.fahrenheit = 32; return t; }); return [back.celsius, back.fahrenheit, Object.keys(back)]; };
`, [0, 32, ["celsius"]]);
