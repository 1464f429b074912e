import { CaptureError } from "../errors.ts";
import { formatPath } from "./path.ts";
import type { PathStep } from "./port.ts";

/** What a value is, and what to do instead of sending it. */
export interface Refusal {
  readonly what: string;
  readonly fix: string;
}

export function refuse(path: readonly PathStep[], { what, fix }: Refusal, cause?: unknown): never {
  throw new CaptureError(`Cannot send ${formatPath(path)}: it is ${what}; ${fix}`, { path, cause });
}

const makeThere = "make it where it is used";
const plainCopy = "send the values it is made from";

export const refusals = {
  accessor: { what: "a getter or setter", fix: "send its value as a plain property" },
  proxy: { what: "a Proxy", fix: "send the object behind it, or a plain copy" },
  uniqueSymbol: { what: "a unique symbol", fix: "use Symbol.for(name), which is the same everywhere" },
  arguments: { what: "an arguments object", fix: "send an array: [...arguments]" },
  moduleNamespace: {
    what: "a module namespace",
    fix: "import the module where it is used, or send the exports that are needed",
  },
  iterator: { what: "an iterator", fix: "send an array of its items, or the function that makes it" },
  generator: { what: "a generator object", fix: "send an array of its items, or the function that makes it" },
  shared: {
    what: "a SharedArrayBuffer, and other processes cannot share it",
    fix: "send a copy: new Uint8Array(shared).slice()",
  },
  detached: { what: "a detached ArrayBuffer", fix: "send it before it is transferred" },
  position: { what: "a regular expression whose lastIndex is not a number", fix: "set it to one" },
  external: { what: "a native pointer", fix: makeThere },
  pretender: { what: "an object with the prototype of a built-in class that it is not an instance of", fix: plainCopy },
  deep: { what: "nested too deeply in values that a class or handle writes itself", fix: "make it flatter" },
  unfinished: {
    what: "part of the state from which it is to be made, and refers back to it",
    fix: "leave it out of what `serialize` returns or its class captures",
  },
} as const satisfies Record<string, Refusal>;

const byClass: Readonly<Record<string, string>> = {
  Promise: "await it first and send the result",
  WeakMap: "send a Map, or make it where it is used",
  WeakSet: "send a Set, or make it where it is used",
  WeakRef: "send what deref() returns",
  FinalizationRegistry: makeThere,
  SharedArrayBuffer: refusals.shared.fix,
  DisposableStack: makeThere,
  AsyncDisposableStack: makeThere,
  CryptoKey: "export it and import it where it is used",
  KeyObject: "export it and import it where it is used",
  PublicKeyObject: "export it and import it where it is used",
  PrivateKeyObject: "export it and import it where it is used",
  SecretKeyObject: "export it and import it where it is used",
  Request: "send its url, method, headers and body",
  Response: "send its status, headers and body",
  FormData: "send its entries: [...form]",
};
const intl = "send the locale and options and make it where it is used";
const temporal = "send its toString() and make it where it is used";

/** The refusal of an instance of a built-in class that is not carried, by the name of the class. */
export function refusalOf(name: string): Refusal | undefined {
  if (name.startsWith("Intl.")) return { what: `an ${name}`, fix: intl };
  if (name.startsWith("Temporal.")) return { what: `a ${name}`, fix: temporal };
  if (name.startsWith("WebAssembly.")) return { what: `a ${name}`, fix: makeThere };
  const fix = Object.hasOwn(byClass, name) ? byClass[name] : undefined;
  return fix === undefined ? undefined : { what: article(name), fix };
}

/** For an instance of a class derived from a built-in one whose instances cannot be made without its constructor. */
export function derived(name: string, base: string): Refusal {
  return {
    what: `${name === "" ? "an object" : article(name)}, whose class derives from ${base}`,
    fix: `send a plain ${base.replace(/^an? /, "")}, or ${plainCopy}`,
  };
}

function article(name: string): string {
  return `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}`;
}
