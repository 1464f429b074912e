import * as buffer from "node:buffer";
import { types } from "node:util";
import { derived, refusalOf, refusals, type Refusal } from "./refuse.ts";
import { errorNames } from "./tags.ts";

/** What the codec does with an object. */
export type Kind =
  | "Object"
  | "Array"
  | "Map"
  | "Set"
  | "Date"
  | "RegExp"
  | "Error"
  | "ArrayBuffer"
  | "View"
  | "Boxed"
  // prettier-ignore
  | "URL"
  | "URLSearchParams"
  | "Headers"
  | "Blob"
  | "File"
  | "DOMException"
  | "described";

// prettier-ignore
const kindOfClass: Readonly<Record<string, Kind>> = {
  Object: "Object", Array: "Array", Map: "Map", Set: "Set", Date: "Date", RegExp: "RegExp", ArrayBuffer: "ArrayBuffer",
  DataView: "View", Number: "Boxed", String: "Boxed", Boolean: "Boxed", BigInt: "Boxed", Symbol: "Boxed",
  ...Object.fromEntries(errorNames.map((name) => [name, "Error" as const])),
  ...Object.fromEntries(
    ["Uint8", "Int8", "Uint8Clamped", "Uint16", "Int16", "Uint32", "Int32", "Float16", "Float32", "Float64", "BigInt64", "BigUint64"]
      .map((name) => [`${name}Array`, "View" as const]),
  ),
};

/** Node's own classes. They are looked up by name when one is met: touching the globals would load them. */
// prettier-ignore
const webClasses: ReadonlySet<string> = new Set([
  "URL", "URLSearchParams", "Headers", "Blob", "File", "DOMException", "Request", "Response", "FormData", "CryptoKey",
]);

/** Kinds by prototype; filled as prototypes are met, also those of other realms. */
const known = new WeakMap<object, Kind>([[Buffer.prototype, "View"]]);
const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object;
const nativeSource = /^function [\w$]*\(\) \{ \[native code\] \}$/;

/** Prototypes of classes that the hooks describe, with the brand of their instances. */
const described = new WeakMap<object, Kind>();

/** The kind of an object that is neither a Proxy nor obviously plain, or why it is refused. */
export function kindOf(value: object, prototype: object): Kind | Refusal {
  const brand = brandOf(value);
  if (known.get(prototype) === brand) return brand;
  if (described.get(prototype) === brand) return "described";
  const verdict = examine(value, prototype, brand);
  if (verdict === "described") described.set(prototype, brand);
  return verdict;
}

function examine(value: object, prototype: object, brand: Kind): Kind | Refusal {
  const native = nativeName(prototype);
  if (native !== undefined && Object.hasOwn(kindOfClass, native)) {
    const kind = kindOfClass[native] as Kind;
    if (kind !== brand) return types.isArgumentsObject(value) ? refusals.arguments : refusals.pretender;
    if (kind === "Object" && types.isArgumentsObject(value)) return refusals.arguments;
    known.set(prototype, kind);
    return kind;
  }
  return refusedBrand(value) ?? web(value, prototype) ?? unknownClass(value, prototype, brand);
}

/** What the internal slots say, whatever prototype, constructor or toStringTag the object shows. */
export function brandOf(value: object): Kind {
  if (Array.isArray(value)) return "Array";
  if (types.isNativeError(value))
    return web(value, Object.getPrototypeOf(value) as object) === "DOMException" ? "DOMException" : "Error";
  if (types.isMap(value)) return "Map";
  if (types.isSet(value)) return "Set";
  if (types.isDate(value)) return "Date";
  if (ArrayBuffer.isView(value)) return "View";
  if (types.isRegExp(value)) return "RegExp";
  if (types.isArrayBuffer(value)) return "ArrayBuffer";
  if (types.isBoxedPrimitive(value)) return "Boxed";
  return "Object";
}

function refusedBrand(value: object): Refusal | undefined {
  if (types.isPromise(value)) return refusalOf("Promise");
  if (types.isWeakMap(value)) return refusalOf("WeakMap");
  if (types.isWeakSet(value)) return refusalOf("WeakSet");
  if (types.isSharedArrayBuffer(value)) return refusals.shared;
  if (types.isExternal(value)) return refusals.external;
  if (types.isArgumentsObject(value)) return refusals.arguments;
  if (types.isMapIterator(value) || types.isSetIterator(value)) return refusals.iterator;
  // An async generator is an async iterable, which the hooks may send as a live reference.
  if (types.isGeneratorObject(value) && !(Symbol.asyncIterator in value)) return refusals.generator;
  return undefined;
}

/** Node's URL, Headers, Blob ... : told by prototype, since their slots cannot be seen from outside. */
function web(value: object, prototype: object): Kind | Refusal | undefined {
  const name = ownConstructor(prototype)?.name;
  if (name === undefined) return undefined;
  // Node 22 derives a hidden class for Blobs of files and for those that were cloned.
  if (name === "TransferableBlob") return web(value, Object.getPrototypeOf(prototype) as object);
  if (name.endsWith("KeyObject") && types.isKeyObject(value)) return refusalOf("KeyObject");
  if (!webClasses.has(name) || !isGlobal(name, prototype)) return undefined;
  const refusal = refusalOf(name);
  if (refusal) return refusal;
  return genuine(name, value) ? (name as Kind) : refusals.pretender;
}

function isGlobal(name: string, prototype: object): boolean {
  for (const source of [globalThis, buffer] as unknown as Record<string, { prototype?: object } | undefined>[]) {
    if (source[name]?.prototype === prototype) return true;
  }
  return false;
}

/** Calls a method that only a true instance answers. */
function genuine(name: string, value: object): boolean {
  try {
    if (name === "URL") return typeof (value as URL).href === "string";
    if (name === "URLSearchParams") return typeof (value as URLSearchParams).size === "number";
    if (name === "Headers") return (value as Headers).has("a") || true;
    if (name === "Blob" || name === "File") return typeof (value as Blob).size === "number";
    return typeof (value as DOMException).code === "number";
  } catch {
    return false;
  }
}

function unknownClass(value: object, prototype: object, brand: Kind): Kind | Refusal {
  if (brand === "Error" && nodeErrorBase(prototype)) return "Error";
  const className = ownConstructor(prototype)?.name ?? "";
  let own = true;
  for (let link: object | null = prototype; link; link = Object.getPrototypeOf(link) as object | null) {
    const name = nativeName(link) ?? "";
    const refusal = refusalOf(name) ?? refusalOf(intlName(link));
    if (refusal) return own ? refusal : derived(className, name);
    if (link === iteratorPrototype && !ownConstructor(prototype)) return refusals.iterator;
    const constructor = ownConstructor(link)?.name;
    if (!own && constructor && webClasses.has(constructor) && isGlobal(constructor, link))
      return derived(className, constructor);
    own = false;
  }
  if (brand === "Date" || brand === "RegExp" || brand === "View" || brand === "ArrayBuffer" || brand === "Boxed") {
    return derived(className, brand === "View" ? "a typed array" : brand === "Boxed" ? "a primitive's class" : brand);
  }
  return "described";
}

/** `Intl.NumberFormat` and the like: their constructors do not say the namespace, their tags do. */
function intlName(prototype: object): string {
  if (!nativeName(prototype)) return "";
  const tag = Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)?.value as unknown;
  return typeof tag === "string" ? tag : "";
}

function ownConstructor(prototype: object): { readonly name: string } | undefined {
  const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value as unknown;
  if (typeof constructor !== "function" || types.isProxy(constructor)) return undefined;
  const name = Object.getOwnPropertyDescriptor(constructor, "name")?.value as unknown;
  return { name: typeof name === "string" ? name : "" };
}

/** Name of the engine's own class that has this prototype, in whichever realm. */
export function nativeName(prototype: object): string | undefined {
  const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value as unknown;
  if (typeof constructor !== "function" || types.isProxy(constructor)) return undefined;
  if (Object.getOwnPropertyDescriptor(constructor, "prototype")?.value !== prototype) return undefined;
  const source = Function.prototype.toString.call(constructor);
  if (!nativeSource.test(source)) return undefined;
  return source.slice("function ".length, source.indexOf("("));
}

/** Node's internal errors have hidden classes between them and the built-in one, whose name they bear. */
export function nodeErrorBase(prototype: object): object | undefined {
  let hidden = false;
  for (let link: object | null = prototype; link; link = Object.getPrototypeOf(link) as object | null) {
    if (hidden && kindOfClass[nativeName(link) ?? ""] === "Error") return link;
    hidden ||= Object.getOwnPropertySymbols(link).some((symbol) => symbol.description === "kIsNodeError");
  }
  return undefined;
}
