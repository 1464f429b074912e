/** What a case gets, and the few words that all cases are written in. */
import assert from "node:assert/strict";
import { StoreError } from "../../errors.ts";
import type { ObjectStream, PutOutcome, StoreDriver, StoredObject } from "../../ports/store.ts";

export interface Subject {
  readonly driver: StoreDriver;
  /** Another driver of the same store; closed when the case is over. */
  reopen(): Promise<StoreDriver>;
  /** How many objects one answer of `list` has at most, where that is known. */
  readonly page: number | undefined;
  readonly runs: number;
}

export interface StoreCase {
  /** A sentence that holds of the driver. */
  readonly name: string;
  readonly needsTwo?: true;
  run(subject: Subject): Promise<void>;
}

export const bytes = (text: string): Uint8Array => Buffer.from(text);

export const textOf = (body: Uint8Array): string => Buffer.from(body).toString();

/** Bytes that are not text, and differ everywhere. */
export function patterned(size: number, seed = 1): Uint8Array {
  const body = new Uint8Array(size);
  for (let at = 0, state = seed; at < size; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    body[at] = state >>> 24;
  }
  return body;
}

/** The etag of a write that has to have been done. */
export function done(outcome: PutOutcome): string {
  assert.notEqual(outcome, "lost", "the write was lost, although its condition holds");
  const { etag } = outcome as { etag: string };
  assert.equal(typeof etag, "string");
  assert.notEqual(etag, "");
  return etag;
}

export async function create(driver: StoreDriver, key: string, text: string): Promise<string> {
  return done(await driver.put(key, bytes(text)));
}

/** The object that has to be there. */
export async function found(driver: StoreDriver, key: string): Promise<StoredObject> {
  const got = await driver.get(key);
  assert.ok(got !== undefined && got !== "unchanged", `there is nothing at ${JSON.stringify(key)}`);
  return got;
}

/** What is there as text; undefined when there is nothing. */
export async function peek(driver: StoreDriver, key: string): Promise<string | undefined> {
  const got = await driver.get(key);
  assert.notEqual(got, "unchanged", "nobody has asked whether it changed");
  return got === undefined ? undefined : textOf((got as StoredObject).body);
}

/** `undefined`: nothing has to be there. Says where it is not so without printing all of a large body. */
export async function expectText(driver: StoreDriver, key: string, text: string | undefined): Promise<void> {
  const seen = await peek(driver, key);
  const shown = (each: string | undefined): string => JSON.stringify(each)?.slice(0, 100) ?? "nothing";
  assert.ok(seen === text, `at ${JSON.stringify(key)} is ${shown(seen)} instead of ${shown(text)}`);
}

/** The stream that has to be there. */
export async function opened(answer: Promise<ObjectStream | "lost" | undefined>): Promise<ObjectStream> {
  const stream = await answer;
  assert.ok(stream !== undefined && stream !== "lost", `a stream was expected, not ${stream}`);
  return stream;
}

export async function drain(stream: ObjectStream): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream.body) pieces.push(new Uint8Array(piece));
  return Buffer.concat(pieces);
}

/** A source of a write. */
export async function* source(...pieces: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield typeof piece === "string" ? bytes(piece) : piece;
}

/** All keys, by as many answers as it takes. Fails where they do not get on. */
export async function keysOf(driver: StoreDriver, prefix = "", first?: string): Promise<string[]> {
  const keys: string[] = [];
  let after = first;
  for (let answers = 0; ; answers++) {
    assert.ok(answers < 500, "the list does not end");
    const { objects, more } = await driver.list(prefix, after === undefined ? {} : { after });
    keys.push(...objects.map(({ key }) => key));
    if (!more) return keys;
    after = objects.at(-1)?.key;
    assert.ok(after !== undefined, "an answer without objects says that there are more");
  }
}

/** A request that must not succeed; gives what it throws. */
export async function refusal(request: Promise<unknown>): Promise<unknown> {
  const answer = await request.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok("error" in answer, "it was done, although it had to fail");
  return answer.error;
}

/** A write that failed in this way may have been done. */
export const isMaybe = (error: unknown): boolean => StoreError.is(error) && (error as StoreError).maybe;

/** Tries again what the store could not do for a moment, and has not done. */
export async function persist<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await request();
    } catch (error) {
      if (attempt === 100 || !StoreError.is(error) || !(error as StoreError).transient || isMaybe(error)) throw error;
    }
  }
}
