/**
 * Members of the language and the platform that are the same on every machine, so that `const { max } = Math` can be
 * evaluated again there. Anything that a machine or a process has of its own, such as `process.env.PORT`, stays a value.
 */

const same: ReadonlySet<string> = new Set(
  (
    "Object Function Array String Number Boolean BigInt Symbol Math JSON Reflect Proxy Date RegExp Promise Map Set WeakMap " +
    "WeakSet WeakRef FinalizationRegistry Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError " +
    "URIError SuppressedError DisposableStack AsyncDisposableStack Iterator Intl Atomics WebAssembly Temporal ArrayBuffer " +
    "SharedArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array " +
    "BigInt64Array BigUint64Array Float16Array Float32Array Float64Array parseInt parseFloat isNaN isFinite escape unescape " +
    "encodeURI encodeURIComponent decodeURI decodeURIComponent eval Buffer Blob File URL URLSearchParams URLPattern " +
    "TextEncoder TextDecoder TextEncoderStream TextDecoderStream AbortController AbortSignal Event EventTarget CustomEvent " +
    "FormData Headers Request Response fetch structuredClone queueMicrotask setTimeout clearTimeout setInterval clearInterval " +
    "setImmediate clearImmediate atob btoa console crypto Crypto CryptoKey SubtleCrypto DOMException ReadableStream " +
    "WritableStream TransformStream CompressionStream DecompressionStream ByteLengthQueuingStrategy CountQueuingStrategy " +
    "MessageChannel MessagePort MessageEvent BroadcastChannel WebSocket CloseEvent EventSource Worker"
  ).split(" "),
);

const sameInProcess: ReadonlySet<string> = new Set(
  (
    "env stdin stdout stderr cwd chdir exit abort kill nextTick hrtime uptime memoryUsage cpuUsage resourceUsage on once off " +
    "emit emitWarning getBuiltinModule umask send disconnect"
  ).split(" "),
);

/** Whether `path`, a global and the members read from it, names the same thing on every machine. */
export function sameEverywhere(path: readonly string[]): boolean {
  const [root, member] = path;
  if (root === undefined) return false;
  if ((root === "globalThis" || root === "global") && member !== undefined) return sameEverywhere(path.slice(1));
  if (root === "performance") return path.length === 1;
  if (root === "process") return member === undefined || (sameInProcess.has(member) && !(member === "env" && path.length > 2));
  return same.has(root);
}
