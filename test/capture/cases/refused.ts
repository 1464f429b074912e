import { family } from "../case.ts";

const it = family("refused");
export const refused = it.cases;

it.refuses("this of a method", `
class Service { factor = 2; start() { return flame(() => this.factor); } }
export const run = () => new Service().start();
`, { message: /^Cannot send the closure to a runner: it uses `this` of the function around it; copy what it needs into a const/, path: [], at: "this.factor" });

it.refuses("this of a field", `
class Service { factor = 2; call = () => this.factor; }
export const run = () => flame(new Service().call);
`, { message: /uses `this` of the function around it/, at: "this.factor" });

it.refuses("this of the function around, in a helper", `
class Service { factor = 2; start() { const helper = () => this.factor; return flame(() => helper()); } }
export const run = () => new Service().start();
`, { message: /^Cannot send `[^`]*helper` to a runner: it uses `this`/, path: ["helper"], at: "this.factor" });

it.refuses("super", `
class Base { n() { return 1; } }
class Derived extends Base { start() { return flame(() => super.n()); } }
export const run = () => new Derived().start();
`, { message: /uses `super` of the method around it; call the method outside/, at: "super.n" });

it.refuses("arguments", `
function call(..._: unknown[]) { return flame(() => arguments.length); }
export const run = () => call(1, 2);
`, { message: /uses `arguments` of the function around it; name the parameters/, at: "arguments.length" });

it.refuses("new.target", `
class Service { call: Promise<unknown>; constructor() { this.call = flame(() => new.target.name); } }
export const run = () => new Service().call;
`, { message: /uses `new\.target` of the function around it/, at: "new.target" });

it.refuses("private name of a class around", `
class Vault { #secret = 1; start(other: Vault) { return flame(() => other.#secret); } }
export const run = () => { const vault = new Vault(); return vault.start(vault); };
`, { message: /uses the private name #secret of a class around it; read the value into a const/, at: "#secret)" });

it.refuses("method of a class by itself", `
class Service { job() { return 1; } }
export const run = () => flame(Service.prototype.job);
`, { message: /member of a class|comes from elsewhere/ });

it.refuses("assignment to a captured variable", `
let count = 0;
export const run = () => flame(() => { count = count + 1; });
export const read = () => count;
`, { message: /assigns to the captured variable `count`, and the change would stay on the runner; return the value/, path: [], at: "count = count + 1" });

it.refuses("increment of a captured variable", `
let count = 0;
export const run = () => flame(() => { count++; });
export const read = () => count;
`, { message: /assigns to the captured variable `count`/, at: "count++" });

it.refuses("compound assignment", `
let total = 0;
export const run = () => flame(() => [1, 2].forEach((n) => { total += n; }));
export const read = () => total;
`, { message: /assigns to the captured variable `total`/, at: "total += n" });

it.refuses("logical assignment", `
let cached: number | undefined;
export const run = () => flame(() => (cached ??= 1));
export const read = () => cached;
`, { message: /assigns to the captured variable `cached`/, at: "cached ??=" });

it.refuses("destructuring assignment", `
let left = 1, right = 2;
export const run = () => flame(() => { [left, right] = [right, left]; });
export const read = () => [left, right];
`, { message: /assigns to the captured variable `left`/, at: "left, right] = [right" });

it.refuses("assignment in a loop head", `
let key = "";
export const run = () => flame(() => { for (key of ["a"]); });
export const read = () => key;
`, { message: /assigns to the captured variable `key`/, at: 'key of ["a"]' });

it.refuses("assignment in a helper", `
let count = 0;
function bump() { count += 1; }
export const run = () => flame(() => bump());
export const read = () => count;
`, { message: /bump` to a runner: it assigns to the captured variable `count`/, path: ["bump"], at: "count += 1" });

it.refuses("assignment in a helper's helper", `
let count = 0;
const inner = () => { count--; };
const outer = () => inner();
export const run = () => flame(() => outer());
export const read = () => count;
`, { message: /assigns to the captured variable `count`/, path: ["outer", "inner"], at: "count--" });

it.refuses("eval", `
const hidden = 1;
export const run = () => flame(() => eval("hidden"));
export const read = () => hidden;
`, { message: /calls eval, whose variables cannot be seen; call \(0, eval\)/, at: "eval(" }, { notIn: { bundle: "bundlers may rewrite it" } });

it.refuses("native function", `
const max = Math.max;
export const run = () => flame(() => max(1, 2));
`, { message: /max` to a runner: max is a native function; call it inside the closure/, path: ["max"], at: "max(1, 2)" });

it.refuses("native function as the closure", `
export const run = () => flame(Math.random);
`, { message: /^Cannot send the closure to a runner: random is a native function/ });

it.refuses("bound function", `
const add = (a: number, b: number) => a + b;
const addOne = add.bind(null, 1);
export const run = () => flame(() => addOne(2));
`, { message: /addOne` to a runner: bound add is a bound function; use an arrow function/, path: ["addOne"], at: "addOne(2)" });

it.refuses("bound function as the closure", `
const job = function (this: { n: number }) { return this.n; }.bind({ n: 1 });
export const run = () => flame(job);
`, { message: /is a bound function/ });

it.refuses("function of a file that no transform has seen", `
import { make } from "./other.ts";
const other = make(2);
export const run = () => flame(() => other(3));
`, { message: /other` to a runner: it is a function that comes from elsewhere; /, path: ["other"], at: "other(3)" },
{ files: { "other.ts": `export const make = (n: number) => (m: number) => n + m;\n` }, notIn: { inspector: "the inspector sees it", bundle: "the plugin sees it" } });

it.refuses("function made by new Function", `
const made = new Function("return 1");
export const run = () => flame(() => made());
`, { message: /made` to a runner: it is a function that comes from elsewhere/, path: ["made"], at: "made()" }, { notIn: { inspector: "the inspector sees its text" } });

it.refuses("proxy", `
const proxy = new Proxy({ a: 1 }, {});
export const run = () => flame(() => proxy.a);
`, { message: /proxy[^:]*: it is a Proxy; send the object behind it/, path: ["proxy"], at: "proxy.a" });

it.refuses("proxy of a function", `
const proxy = new Proxy(() => 1, {});
export const run = () => flame(() => proxy());
`, { message: /proxy/, path: ["proxy"], at: "proxy()" });

it.refuses("weak collections", `
const seen = new WeakMap();
export const run = () => flame(() => seen.has({}));
`, { message: /seen` to a runner: it is a WeakMap; send a Map/, path: ["seen"], at: "seen.has" });

it.refuses("promise", `
const later = Promise.resolve(1);
export const run = () => flame(async () => (await later) + 1);
`, { message: /later` to a runner: it is a Promise; await it first/, path: ["later"], at: "later) + 1" });

it.refuses("Request", `
const request = new Request("http://host/");
export const run = () => flame(() => request.url);
`, { message: /request` to a runner: it is a Request; send its url, method, headers and body/, path: ["request"], at: "request.url" });

it.refuses("Response", `
const response = new Response("body");
export const run = () => flame(() => response.text());
`, { message: /response` to a runner: it is a Response; send its status, headers and body/, path: ["response"], at: "response.text" });

it.refuses("FormData", `
const form = new FormData();
export const run = () => flame(() => [...form]);
`, { message: /form` to a runner: it is a FormData; send its entries/, path: ["form"], at: "form]" });

it.works("AbortSignal, which is live", `
const { signal } = new AbortController();
export const run = () => flame(() => [signal instanceof AbortSignal, signal.aborted]);
`, [true, false]);

it.refuses("server", `
import { createServer } from "node:http";
const server = createServer();
export const run = () => flame(() => server.listening);
`, { message: /server.*Server/, path: ["server"], at: "server.listening" });

it.refuses("socket", `
import { Socket } from "node:net";
const socket = new Socket();
export const run = () => flame(() => socket.destroyed);
`, { message: /socket/, path: ["socket"], at: "socket.destroyed" });

it.works("node stream, which is live", `
import { Readable } from "node:stream";
export const run = () => {
  const stream = Readable.from(["a", "b"]);
  return flame(async () => { const all = []; for await (const part of stream) all.push(String(part)); return all; });
};
`, ["a", "b"]);

it.works("web stream, which is live", `
export const run = () => {
  const stream = new ReadableStream({ start: (controller) => { controller.enqueue("a"); controller.close(); } });
  return flame(async () => { const all = []; for await (const part of stream) all.push(part); return all; });
};
`, ["a"]);

it.refuses("a stream that is read already", `
const stream = new ReadableStream();
stream.getReader();
export const run = () => flame(() => stream.locked);
`, { message: /stream.* is being read or written already; release its lock/, path: ["stream"], at: "stream.locked" });

it.works("a live function", `
import { flame, live } from "tinderbox";
export const run = () => {
  const { pid } = process;
  const ask = live((n) => [process.pid === pid, n + 1]);
  return flame(async () => [process.pid === pid, ...(await ask(1))]);
};
`, [false, true, 2]);

it.refuses("timer", `
const timer = setTimeout(() => {}, 0);
export const run = () => flame(() => timer.hasRef());
`, { message: /timer.*Timeout/, path: ["timer"], at: "timer.hasRef" });

it.refuses("generator object", `
function* make() { yield 1; }
const items = make();
export const run = () => flame(() => [...items]);
`, { message: /items` to a runner: it is a generator object/, path: ["items"], at: "items]" });

it.refuses("event emitter that is no stream", `
import { EventEmitter } from "node:events";
const bus = new EventEmitter();
export const run = () => flame(() => bus.listenerCount("x"));
`, { message: /bus.*EventEmitter/, path: ["bus"], at: "bus.listenerCount" });

it.refuses("locked WritableStream, deep inside", `
const stream = new WritableStream();
stream.getWriter();
const log = { to: [stream] };
export const run = () => flame(() => log.to.length);
`, { message: /log\.to\[0\].* is being read or written already; release its lock/, path: ["log", "to", 0], at: "log.to" });

it.works("asynchronous generator, which is live", `
async function* make() { yield 1; yield 2; }
export const run = () => {
  const items = make();
  return flame(async () => { const all = []; for await (const item of items) all.push(item); return all; });
};
`, [1, 2]);

it.refuses("unique symbol", `
const key = Symbol("mine");
export const run = () => flame(() => ({ [key]: 1 }));
`, { message: /key` to a runner: it is a unique symbol; use Symbol\.for/, path: ["key"], at: "key]: 1" });

it.refuses("getter property", `
const lazy = { get value() { return 1; } };
export const run = () => flame(() => lazy.value);
`, { message: /lazy\.value` to a runner: it is a getter or setter/, path: ["lazy", "value"], at: "lazy.value" });

it.refuses("arguments object", `
function call(..._: unknown[]) { const given = arguments; return flame(() => given.length); }
export const run = () => call(1);
`, { message: /given` to a runner: it is an arguments object; send an array/, path: ["given"], at: "given.length" });

it.refuses("instance of a class from elsewhere", `
import { open } from "./db.ts";
const db = open();
export const run = () => flame(() => db.name);
`, { message: /db` to a runner: .*Database|class Database/, at: "db.name" },
{ files: { "db.ts": `class Database { name = "db"; }\nexport const open = () => new Database();\n` }, notIn: { inspector: "the inspector sees its class", bundle: "the plugin sees its class" } });

it.refuses("deep inside a captured object", `
const options = { list: [{ ok: 1 }, { ssl: { check: Math.max, other: 1 } }] };
export const run = () => flame(() => options.list.length);
`, { message: /options\.list\[1\]\.ssl\.check` to a runner: max is a native function/, path: ["options", "list", 1, "ssl", "check"], at: "options.list.length" });

it.refuses("deep inside a Map", `
const map = new Map([["key", { inner: new WeakSet() }]]);
export const run = () => flame(() => map.size);
`, { message: /map.*key.*inner` to a runner: it is a WeakSet/, at: "map.size" });

it.refuses("captured by a helper", `
const lock = new WeakMap();
const held = () => lock.has({});
export const run = () => flame(() => held());
`, { message: /lock` to a runner: it is a WeakMap/, path: ["held", "lock"], at: "held()" });

it.refuses("private state without serialize", `
class Secret { #value = 1; read() { return this.#value; } }
const secret = new Secret();
export const run = () => flame(() => secret.read());
`, { message: /secret` to a runner: \w+ has #private members, which cannot be put back; give the class methods keyed by serialize and revive/, path: ["secret"], at: "secret.read" });

it.refuses("private state in a base class", `
class Base { #value = 1; read() { return this.#value; } }
class Derived extends Base { own = 2; }
const derived = new Derived();
export const run = () => flame(() => derived.read());
`, { message: /derived` to a runner: \w+ has #private members/, path: ["derived"], at: "derived.read" });

it.refuses("subclass of a built-in that cannot be made again", `
class Later extends Date { extra = 1; }
const later = new Later(0);
export const run = () => flame(() => later.extra);
`, { message: /later.*Date/, path: ["later"], at: "later.extra" });

it.refuses("object with a prototype of its own", `
const base = { greet() { return "hi"; } };
const object = Object.create(base);
export const run = () => flame(() => object.greet());
`, { message: /object/, path: ["object"], at: "object.greet" });

it.refuses("module namespace as a value", `
import * as math from "./math.ts";
const list = [math];
export const run = () => flame(() => list.length);
`, { message: /list\[0\]` to a runner: it is a module namespace; import the module where it is used/, path: ["list", 0], at: "list.length" }, { files: { "math.ts": `export const pi = 3;\n` }, notIn: { bundle: "it is an object of the bundle there", vitest: "it is an object of Vite there" } });

it.refuses("shared memory", `
const memory = new Int32Array(new SharedArrayBuffer(4));
export const run = () => flame(() => memory[0]);
`, { message: /memory.*SharedArrayBuffer/, at: "memory[0]" });

it.refuses("not a function", `
export const run = () => flame(5 as never);
`, { message: /Cannot run number on a runner: a function is wanted/ });

it.refuses("with in sloppy code", `
exports.run = () => flame(function () { with ({ a: 1 }) { return a; } });
`, { message: /uses `with`/, at: "with (" }, { language: "cjs", notIn: { bundle: "modules of a bundle are strict", vitest: "modules of Vite are strict" } });

it.refuses("this of a CommonJS module", `
exports.run = () => flame(() => this);
`, { message: /uses `this` of the function around it/ , at: "this);" }, { language: "cjs" });

// Results

it.works("a function as a result, which is live, and takes no slot when it is forgotten", `
export const run = async () => {
  const { pid } = process;
  const where = await flame(() => (n) => [process.pid === pid, n + 1]);
  return await where(1);
};
`, [false, 2]);

it.works("an unknown instance as a result", `
import { open } from "./db.ts";
export const run = () => flame(() => open()).catch((error) => [error.code, /Database/.test(error.message)]);
`, ["ERR_TINDERBOX_CAPTURE", true], { files: { "db.ts": `class Database { name = "db"; }\nexport const open = () => new Database();\n` }, notIn: { minified: "the class is called otherwise" } });

it.works("private state as a result", `
class Secret { #value = 1; read() { return this.#value; } }
export const run = () => flame(() => ({ list: [new Secret()] })).catch((error) => [error.code, /list\\[0\\]/.test(error.message), /private/.test(error.message)]);
`, ["ERR_TINDERBOX_CAPTURE", true, true]);

it.works("an iterable object inside of a result", `
export const run = () => flame(() => ({ list: { async *[Symbol.asyncIterator]() { yield 1; } } }))
  .catch((error) => [error.code, /send an async generator/.test(error.message)]);
`, ["ERR_TINDERBOX_CAPTURE", true]);

it.works("an iterable object as the result, which is live", `
export const run = async () => {
  const all = [];
  for await (const item of flame(() => ({ async *[Symbol.asyncIterator]() { yield 1; yield 2; } }))) all.push(item);
  return all;
};
`, [1, 2]);

it.works("a socket as a result", `
import { Socket } from "node:net";
export const run = () => flame(() => ({ socket: new Socket() })).catch((error) => [error.code, /socket/.test(error.message)]);
`, ["ERR_TINDERBOX_CAPTURE", true]);

it.refuses("own name of a function around, where another variable has that name", `
const start = 1;
{
  const down = 5;
  void (() => down);
  var call = function down(n: number): unknown { return n === 0 ? start : flame(() => [typeof down, n]); };
}
export const run = () => call(2);
`, { message: /^Cannot send the closure to a runner: `down\w*` is the own name of the function around it, which cannot be seen; declare the function/, path: [] },
{ onlyIn: { trait: "inspector", because: "stamps see the name" } });
