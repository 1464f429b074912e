/** Streams of the Web and of Node, both ways. */
import assert from "node:assert/strict";
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, PassThrough, Readable, Transform, Writable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { spawn } from "node:child_process";
import { createGunzip, createGzip, gunzipSync } from "node:zlib";
import { flame, live } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";
import { collectGarbage } from "../garbage.ts";
import { failure, gate, gather } from "../gather.ts";
import { note } from "../notebook.ts";
import { noted } from "../notes.ts";

function folder<T>(run: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(tmpdir(), "streams-"));
  return run(path).finally(() => rmSync(path, { recursive: true }));
}

/** Keeps what is written to it. */
function collecting() {
  const chunks: unknown[] = [];
  const closed = gate<"closed" | { aborted: unknown }>();
  const stream = new WritableStream<unknown>({
    write: (chunk) => void chunks.push(chunk),
    close: () => closed.resolve("closed"),
    abort: (reason) => closed.resolve({ aborted: reason }),
  });
  return { stream, chunks, closed: closed.promise };
}

export const cases: readonly Case[] = [
  {
    name: "ReadableStream as a result, with values of all kinds",
    async run({ pool }) {
      const stream = await flame(
        () => ReadableStream.from<unknown>([1, "two", { three: new Map([[3n, new Date(3)]]) }, new Uint8Array([4])]),
        { pool },
      );
      assert.ok(stream instanceof ReadableStream);
      const { items } = await gather(stream);
      assert.deepEqual(items, [1, "two", { three: new Map([[3n, new Date(3)]]) }, new Uint8Array([4])]);
    },
  },
  {
    name: "ReadableStream: its error arrives after what came before",
    async run({ pool }) {
      const { items, error } = await gather(
        flame(
          () => {
            let n = 0;
            return new ReadableStream<number>({
              pull(controller) {
                if (n < 3) controller.enqueue(n++);
                else controller.error(new RangeError("dried up"));
              },
            });
          },
          { pool },
        ),
      );
      assert.deepEqual(items, [0, 1, 2]);
      assert.ok(error instanceof RangeError);
    },
  },
  {
    name: "ReadableStream: cancel reaches its source, with the reason, also while a read waits",
    async run({ pool }) {
      const stream = await flame(
        () =>
          new ReadableStream<string>({
            start: (controller) => controller.enqueue("first"),
            cancel: (reason) => note(`cancelled: ${String(reason)}`),
          }),
        { pool },
      );
      const reader = stream.getReader();
      assert.equal((await reader.read()).value, "first");
      const waiting = reader.read();
      await reader.cancel("enough");
      assert.deepEqual(await waiting, { done: true, value: undefined });
      await noted("cancelled: enough", pool);
    },
  },
  {
    name: "a result that nobody reads is cancelled when it is let go",
    async run({ pool }) {
      await (async () => {
        const { stream } = await flame(
          () => ({ stream: new ReadableStream({ cancel: () => note("unread: cancelled") }) }),
          { pool },
        );
        assert.ok(stream instanceof ReadableStream);
      })();
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
      await noted("unread: cancelled", pool);
    },
  },
  {
    name: "streams of every kind are let go when they are dropped, and closed over there",
    async run({ pool }) {
      await (async () => {
        const all = await flame(
          () => {
            const watched = <S extends Readable | Writable>(name: string, stream: S): S =>
              stream.once("close", () => note(`dropped: ${name}`)) as S;
            return {
              web: new WritableStream({ abort: () => note("dropped: web") }),
              begun: new WritableStream({ abort: () => note("dropped: begun") }),
              readable: watched("readable", new PassThrough()),
              writable: watched("writable", new Writable({ write: (_chunk, _encoding, done) => done() })),
              duplex: watched("duplex", new PassThrough()),
              emptied: watched("emptied", Readable.from(["a", "b"])),
            };
          },
          { pool },
        );
        const writer = all.begun.getWriter();
        await writer.write("x");
        writer.releaseLock();
        all.writable.write("x");
        assert.equal((await all.emptied.iterator({ destroyOnReturn: false }).next()).value, "a");
      })();
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
      for (const name of ["web", "begun", "readable", "writable", "duplex", "emptied"])
        await noted(`dropped: ${name}`, pool);
    },
  },
  {
    name: "a stream that a callback has dropped is still its closure's own",
    async run({ pool }) {
      const look = live((readable: ReadableStream, writable: WritableStream, node: Readable) => [
        readable.locked,
        writable.locked,
        node.destroyed,
      ]);
      const collect = live(collectGarbage);
      const seen = await flame(
        async () => {
          const written: unknown[] = [];
          const readable = ReadableStream.from(["mine"]);
          const writable = new WritableStream({ write: (chunk) => void written.push(chunk) });
          const node = Readable.from(["mine, too"]);
          await look(readable, writable, node);
          // Long enough for it to be collected over there.
          for (let n = 0; n < 10; n++) await collect();
          const writer = writable.getWriter();
          await writer.write("still open");
          for await (const part of readable) written.push(part);
          for await (const part of node) written.push(part);
          return written;
        },
        { pool },
      );
      assert.deepEqual(seen, ["still open", "mine", "mine, too"]);
    },
  },
  {
    name: "a byte stream is read into the reader's own memory",
    async run({ pool }) {
      const stream = await flame(
        () => {
          let n = 0;
          return new ReadableStream({
            type: "bytes",
            pull(controller) {
              if (n === 4) {
                controller.close();
                controller.byobRequest?.respond(0);
              } else controller.enqueue(new Uint8Array(3).fill(++n));
            },
          });
        },
        { pool },
      );
      const reader = stream.getReader({ mode: "byob" });
      const seen: number[] = [];
      for (let memory = new Uint8Array(5); ;) {
        const { done, value } = await reader.read(memory);
        if (value) seen.push(...value);
        if (done) break;
        memory = new Uint8Array(value.buffer, 0, 5);
      }
      assert.deepEqual(seen, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    },
  },
  {
    name: "a captured byte stream is one on the runner, too, large chunks and small ones",
    async run({ pool }) {
      const sizes = [1, 70_000, 2, 200_000];
      const source = new ReadableStream({
        type: "bytes",
        pull(controller) {
          const size = sizes.shift();
          if (size === undefined) {
            controller.close();
            controller.byobRequest?.respond(0);
          } else controller.enqueue(new Uint8Array(size).fill(size % 251));
        },
      });
      const seen = await flame(
        async () => {
          const reader = source.getReader({ mode: "byob" });
          const ends = new Map<number, number>();
          let memory = new Uint8Array(50_000);
          for (;;) {
            const { done, value } = await reader.read(memory);
            if (done) return [...ends];
            for (const byte of value) ends.set(byte, (ends.get(byte) ?? 0) + 1);
            memory = new Uint8Array(value.buffer);
          }
        },
        { pool },
      );
      assert.deepEqual(
        new Map(seen),
        new Map([
          [1, 1],
          [70_000 % 251, 70_000],
          [2, 2],
          [200_000 % 251, 200_000],
        ]),
      );
    },
  },
  {
    name: "WritableStream, captured: chunks in order, close, and the writer waits for it",
    async run({ pool }) {
      const { stream, chunks, closed } = collecting();
      await flame(
        async () => {
          const writer = stream.getWriter();
          for (let n = 0; n < 100; n++) await writer.write({ n });
          await writer.write(new Uint8Array(100_000).fill(7));
          await writer.close();
        },
        { pool },
      );
      assert.equal(await closed, "closed");
      assert.deepEqual(chunks.slice(0, 100), [...Array(100).keys()].map((n) => ({ n })));
      assert.equal((chunks[100] as Uint8Array).length, 100_000);
    },
  },
  {
    name: "WritableStream: abort reaches the sink, with its reason",
    async run({ pool }) {
      const { stream, closed } = collecting();
      await flame(
        async () => {
          const writer = stream.getWriter();
          await writer.write(1);
          await writer.abort(new RangeError("no more"));
        },
        { pool },
      );
      const { aborted } = (await closed) as { aborted: unknown };
      assert.ok(aborted instanceof RangeError);
    },
  },
  {
    name: "WritableStream: an error of the sink reaches the writer, in write, close and closed",
    async run({ pool }) {
      const stream = new WritableStream<number>({
        write(n) {
          if (n === 3) throw new RangeError("full");
        },
      });
      const seen = await flame(
        async () => {
          const writer = stream.getWriter();
          const closed = writer.closed.catch((error: unknown) => String(error));
          let written = 0;
          try {
            for (; written < 1_000_000; written++) await writer.write(written);
          } catch (error) {
            return [String(error), await closed, written >= 3];
          }
          return "never";
        },
        { pool },
      );
      assert.deepEqual(seen, ["RangeError: full", "RangeError: full", true]);
      const late = new WritableStream<number>({ write: () => Promise.reject(new RangeError("late")) });
      const error = await failure(
        flame(
          async () => {
            const writer = late.getWriter();
            writer.closed.catch(() => {});
            void writer.write(1).catch(() => {});
            await writer.close();
          },
          { pool },
        ),
      );
      assert.ok(error instanceof RangeError);
    },
  },
  {
    name: "WritableStream: a sink that is slow holds the writer back",
    async run({ pool }) {
      let taken = 0;
      const go = gate();
      const stream = new WritableStream<Uint8Array>({
        async write() {
          taken++;
          await go.promise;
        },
      });
      const full = live((written: number) => {
        go.resolve();
        return written;
      });
      const written = await flame(
        async () => {
          const writer = stream.getWriter();
          let count = 0;
          const all = (async () => {
            for (; count < 64; count++) await writer.write(new Uint8Array(100_000));
          })();
          // Until nothing moves: a pause per chunk is long for what takes microseconds.
          for (let seen = -1; seen !== count;) {
            seen = count;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
          const ahead = await full(count);
          await all;
          await writer.close();
          return ahead;
        },
        { pool },
      );
      assert.ok(written >= 8 && written <= 14, `${written} chunks of 100 kB were ahead`);
      assert.equal(taken, 64);
    },
  },
  {
    name: "WritableStream: what cannot be sent fails the write, and the sink is aborted",
    async run({ pool }) {
      const { stream, chunks, closed } = collecting();
      const code = await flame(
        async () => {
          const writer = stream.getWriter();
          writer.closed.catch(() => {});
          await writer.write(1);
          return writer.write(new WeakMap()).catch((error: { code: string }) => error.code);
        },
        { pool },
      );
      assert.equal(code, "ERR_TINDERBOX_CAPTURE");
      assert.ok(((await closed) as { aborted: unknown }).aborted instanceof Error);
      // As with any abort: what was still under way may be dropped.
      assert.deepEqual(chunks, [1].slice(1 - chunks.length));
    },
  },
  {
    name: "WritableStream: memory that was written may be written to again",
    async run({ pool }) {
      const { stream, chunks, closed } = collecting();
      await flame(
        async () => {
          const writer = stream.getWriter();
          // More than a socket takes at once.
          const memory = new Uint8Array(900_000);
          for (let n = 1; n <= 5; n++) await writer.write(memory.fill(n));
          await writer.close();
        },
        { pool },
      );
      await closed;
      assert.deepEqual(
        chunks.map((chunk) => [(chunk as Uint8Array)[0], (chunk as Uint8Array).at(-1)]),
        [1, 2, 3, 4, 5].map((n) => [n, n]),
      );
    },
  },
  {
    name: "a captured WritableStream that is not closed stays open for its owner, and for the next call",
    async run({ pool }) {
      const { stream, chunks } = collecting();
      for (let call = 0; call < 3; call++) {
        await flame(
          async () => {
            const writer = stream.getWriter();
            await writer.write(call);
          },
          { pool },
        );
        await until("the lock released", () => !stream.locked);
      }
      const writer = stream.getWriter();
      await writer.write("own");
      await writer.close();
      assert.deepEqual(chunks, [0, 1, 2, "own"]);
    },
  },
  {
    name: "a captured WritableStream is aborted when its call is: its reader must not wait for ever",
    async run({ pool }) {
      const stop = new AbortController();
      const { readable, writable } = new TransformStream<string, string>();
      const call = flame(
        async ({ signal }) => {
          await writable.getWriter().write("first");
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        { pool, signal: stop.signal, timeout: "5s" },
      );
      const reader = readable.getReader();
      assert.equal((await reader.read()).value, "first");
      stop.abort();
      assert.equal((await failure(reader.read())).name, "AbortError");
      assert.equal((await failure(call)).name, "AbortError");
    },
  },
  {
    name: "WritableStream as a result",
    async run({ pool }) {
      const { stream, sum } = await flame(
        () => {
          let all = 0;
          const stream = new WritableStream<number>({ write: (n) => void (all += n) });
          return { stream, sum: async () => all };
        },
        { pool },
      );
      const writer = stream.getWriter();
      for (let n = 1; n <= 10; n++) await writer.write(n);
      await writer.close();
      assert.equal(await sum(), 55);
      (sum as unknown as Disposable)[Symbol.dispose]();
    },
  },
  {
    name: "a TransformStream: both of its ends go to a runner",
    async run({ pool }) {
      const { readable, writable } = new TransformStream<string, string>({
        transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
      });
      const seen = await flame(
        async () => {
          const parts: string[] = [];
          const reading = (async () => {
            for await (const part of readable) parts.push(part);
          })();
          const writer = writable.getWriter();
          for (const part of ["a", "b", "c"]) await writer.write(part);
          await writer.close();
          await reading;
          return parts;
        },
        { pool },
      );
      assert.deepEqual(seen, ["A", "B", "C"]);
    },
  },
  {
    name: "Node Readable as a result: bytes, strings, objects",
    async run({ pool }) {
      const bytes = await flame(() => Readable.from([Buffer.from("ab"), Buffer.from("cd")], { objectMode: false }), { pool });
      assert.ok(bytes instanceof Readable);
      assert.equal((await buffer(bytes)).toString(), "abcd");
      const strings = await flame(() => Readable.from(["ä", "ö"], { objectMode: false }).setEncoding("utf8"), { pool });
      const { items } = await gather(strings);
      assert.equal(items.join(""), "äö");
      assert.equal(typeof items[0], "string");
      const objects = await flame(() => Readable.from([{ n: 1 }, { n: 2 }]), { pool });
      assert.equal(objects.readableObjectMode, true);
      assert.deepEqual((await gather(objects)).items, [{ n: 1 }, { n: 2 }]);
    },
  },
  {
    name: "Node Readable: a file that is not there is an error where it is read, and costs no runner",
    async run({ pool }) {
      const file = await flame(() => createReadStream("/nowhere/at/all"), { pool });
      const error = await failure(text(file));
      assert.equal(error["code"], "ENOENT");
      const missing = createReadStream("/nowhere/at/all");
      const code = await flame(
        async () => {
          try {
            for await (const _ of missing);
            return "read";
          } catch (failed) {
            return (failed as { code?: unknown }).code;
          }
        },
        { pool },
      );
      assert.equal(code, "ENOENT");
    },
  },
  {
    name: "files go both ways",
    run: ({ pool }) =>
      folder(async (path) => {
        const content = Buffer.alloc(3_000_000, "0123456789");
        writeFileSync(join(path, "in"), content);
        const [source, target] = [createReadStream(join(path, "in")), createWriteStream(join(path, "out"))];
        await flame(() => pipeline(source, target), { pool });
        assert.ok(readFileSync(join(path, "out")).equals(content));
        const there = await flame(() => createReadStream(join(path, "in"), { start: 10, end: 19 }), { pool });
        assert.equal(await text(there), "0123456789");
      }),
  },
  {
    name: "destroying a Readable here destroys it there",
    async run({ pool }) {
      const numbers = await flame(
        () => {
          const stream = Readable.from(
            (function* () {
              for (let n = 0; n < 1_000_000; n++) yield n;
            })(),
          );
          stream.once("close", () => note("readable closed"));
          return stream;
        },
        { pool },
      );
      for await (const n of numbers) if (n === 3) break;
      assert.ok(numbers.destroyed);
      await noted("readable closed", pool);
    },
  },
  {
    name: "Node Writable, captured: strings, bytes, end, and its error",
    async run({ pool }) {
      const parts: string[] = [];
      const sink = new Writable({
        write(chunk: Buffer, _encoding, done) {
          parts.push(chunk.toString());
          done();
        },
      });
      await flame(
        async () => {
          sink.write("a");
          sink.write("YmM=", "base64");
          sink.write(Buffer.from("d"));
          await new Promise<void>((resolve) => sink.end("e", resolve));
        },
        { pool },
      );
      assert.equal(parts.join(""), "abcde");
      assert.ok(sink.writableFinished);
      const failing = new Writable({ write: (_chunk, _encoding, done) => done(new RangeError("full")) });
      const error = await failure(
        flame(() => pipeline(Readable.from(["a", "b"]), failing), { pool }),
      );
      assert.ok(error instanceof RangeError);
    },
  },
  {
    name: "a captured Node Writable that is not ended stays open for its owner",
    async run({ pool }) {
      const parts: unknown[] = [];
      const sink = new Writable({
        objectMode: true,
        write(chunk, _encoding, done) {
          parts.push(chunk);
          done();
        },
      });
      for (let call = 0; call < 2; call++)
        await flame(() => new Promise<void>((resolve, reject) => sink.write({ call }, (error) => (error ? reject(error) : resolve()))), { pool });
      await until("both writes", () => parts.length === 2);
      assert.equal(sink.destroyed, false);
      sink.end({ call: "own" });
      assert.deepEqual(parts, [{ call: 0 }, { call: 1 }, { call: "own" }]);
    },
  },
  {
    name: "process.stdout may be captured, and is not closed by a runner that ends it",
    async run({ pool }) {
      const { stdout } = process;
      await flame(() => new Promise<void>((resolve) => void stdout.end("from a runner\n", resolve)), { pool });
      assert.equal(process.stdout.writableEnded, false);
      assert.equal(process.stdout.destroyed, false);
    },
  },
  {
    name: "a Transform as a result: gzip on the runner",
    async run({ pool }) {
      const gzip = await flame(() => createGzip(), { pool });
      assert.ok(gzip instanceof Duplex);
      const text = "hello ".repeat(100_000);
      const [zipped] = await Promise.all([buffer(gzip), pipeline(Readable.from([text]), gzip, { end: true }).catch(() => {})]);
      assert.equal(gunzipSync(zipped).toString(), text);
    },
  },
  {
    name: "a captured Transform: the runner feeds it and reads what it makes",
    async run({ pool }) {
      const upper = new Transform({
        encoding: "utf8",
        transform: (chunk: Buffer, _encoding, done) => done(null, chunk.toString().toUpperCase()),
      });
      const seen = await flame(
        async () => {
          const reading = (async () => {
            let all = "";
            for await (const part of upper) all += part as string;
            return all;
          })();
          upper.write("ab");
          upper.end("cd");
          return reading;
        },
        { pool },
      );
      assert.equal(seen, "ABCD");
    },
  },
  {
    name: "a result that is piped through a Transform is read to its end, and the call is over",
    async run({ pool }) {
      const plain = await flame(
        () => {
          const gzip = createGzip();
          Readable.from([Buffer.from("piped")]).pipe(gzip);
          return gzip.pipe(createGunzip());
        },
        { pool },
      );
      assert.equal(await text(plain), "piped");
      await until("a free slot", () => pool.stats().slots.busy === 0);
    },
  },
  {
    name: "a PassThrough that the runner only writes to is read here to the end",
    async run({ pool }) {
      const through = new PassThrough();
      const reading = text(through);
      await flame(
        async () => {
          through.write("half ");
          await new Promise<void>((resolve) => through.end("closed", resolve));
        },
        { pool },
      );
      assert.equal(await reading, "half closed");
    },
  },
  {
    name: "a Duplex whose reading ends first can still be written to",
    async run({ pool }) {
      const written: string[] = [];
      const done = gate();
      const both = new Duplex({
        read() {
          this.push("only this");
          this.push(null);
        },
        write(chunk: Buffer, _encoding, next) {
          written.push(chunk.toString());
          next();
        },
        final(next) {
          done.resolve();
          next();
        },
      });
      const seen = await flame(
        async () => {
          let all = "";
          for await (const part of both.iterator({ destroyOnReturn: false })) all += String(part);
          both.write("still ");
          await new Promise<void>((resolve) => both.end("open", resolve));
          return all;
        },
        { pool },
      );
      await done.promise;
      assert.deepEqual([seen, written.join("")], ["only this", "still open"]);
    },
  },
  {
    name: "a Duplex that fails fails for its reader and its writer",
    async run({ pool }) {
      const both = new Duplex({
        read() {},
        write(_chunk, _encoding, next) {
          next(new RangeError("broken"));
        },
      });
      const seen = await flame(
        async () => {
          // One that only writes has nothing but that to hear it by.
          const failed = new Promise((resolve) => both.once("error", (error) => resolve(String(error))));
          both.write("x");
          const reading = await failed.then(async () => {
            for await (const _ of both);
          }).catch(String);
          return [await failed, reading];
        },
        { pool },
      );
      assert.deepEqual(seen, ["RangeError: broken", "RangeError: broken"]);
    },
  },
  {
    name: "a child process' output is a result",
    async run({ pool }) {
      const stdout = await flame(
        async () => {
          const child = spawn("printf", ["a%.0s", "1", "2", "3"]);
          child.once("exit", () => note("printf has ended"));
          return child.stdout;
        },
        { pool },
      );
      // Long before somebody reads.
      await noted("printf has ended", pool);
      assert.equal(await text(stdout), "aaa");
    },
  },
  {
    name: "a child process' input is a result",
    async run({ pool }) {
      const { stdin, out } = await flame(
        () => {
          const { stdin, stdout } = spawn("cat");
          return { stdin, out: async () => text(stdout) };
        },
        { pool },
      );
      const all = out();
      stdin.write("to the cat ");
      stdin.end("and back");
      assert.equal(await all, "to the cat and back");
      (out as unknown as Disposable)[Symbol.dispose]();
    },
  },
];
