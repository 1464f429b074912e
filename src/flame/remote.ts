/** What stands for an object that lives on a runner, as types. */
import type { Readable } from "node:stream";
import type { Live } from "../live/function.ts";
import type { Streaming, Untyped } from "./call.ts";
import type { Sendable } from "./wrap.ts";

/**
 * An object on a runner: its methods, as promises, which can be iterated when the result can. Fields, getters and methods
 * named by symbols are not there. Of a method with overloads the last one counts, and type parameters of methods are lost.
 */
export type Remote<T> = { readonly [K in keyof T as MethodName<T, K>]: RemoteMethod<T[K]> } & AsyncDisposable;

type MethodName<T, K extends keyof T> = K extends string
  ? K extends "then"
    ? never
    : [T[K]] extends [Untyped]
      ? never
      : T[K] extends (...args: never[]) => unknown
        ? K
        : never
  : never;

type RemoteMethod<F> = F extends (...args: infer A) => infer R ? (...args: Sendable<A>) => RemoteResult<R> : never;

/** What a call of a method gives, by what the method returns: as `flame` does it for closures. */
export type RemoteResult<R> = [R] extends [Untyped]
  ? Promise<R>
  : [Awaited<R>] extends [AsyncGenerator<infer Y, infer E, undefined>]
    ? Streaming<AsyncGenerator<Y, E, undefined>, Y>
    : [Awaited<R>] extends [Generator<infer Y, infer E, undefined>]
      ? Streaming<AsyncGenerator<Y, E, undefined>, Y>
      : [Awaited<R>] extends [ReadableStream<infer Y>]
        ? Streaming<ReadableStream<Y>, Y>
        : [Awaited<R>] extends [Readable]
          ? Streaming<Awaited<R>, unknown>
          : [Awaited<R>] extends [AsyncIterable<infer Y>]
            ? Streaming<AsyncIterable<Y>, Y>
            : [Awaited<R>] extends [(...args: infer A extends unknown[]) => infer B]
              ? Promise<Live<(...args: A) => B>>
              : Promise<Awaited<R>>;
