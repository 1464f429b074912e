import { describe, expect, test } from "vitest";
import type { Message, ModuleText } from "../../src/wire/messages.ts";
import { type Conversation, converse, kinds } from "./parties.ts";

const small = Buffer.from("v");
const large = Buffer.alloc(5_000_000, "large ");
const value = (...buffers: Uint8Array[]) => ({ bytes: small, buffers });
const call = (id: number, ...buffers: Uint8Array[]): Message => {
  return { type: "call", id, attempt: 0, mode: "plain", value: value(...buffers), args: undefined };
};
const module = (size: number): Message => {
  const text: ModuleText = {
    url: "file:///app.ts",
    hash: "h",
    format: "module",
    source: "x".repeat(size),
    path: "",
    single: true,
    early: [],
    late: [],
    links: [],
    siblings: [],
    binding: false,
  };
  return { type: "module", id: 1, module: text };
};
const names = (messages: readonly Message[]): string[] =>
  messages.map((message) => ("id" in message ? `${message.type} ${message.id}` : message.type));

/** Sends all, and gives what has come, in order, once the last one has. */
async function arrive({ parent, runner }: Conversation, from: "parent" | "runner", sent: Message[]): Promise<string[]> {
  const [sender, receiver] = from === "parent" ? [parent, runner] : [runner, parent];
  for (const message of sent) sender.session.send(message);
  const count = new Map<Message["type"], number>();
  for (const { type } of sent) count.set(type, (count.get(type) ?? 0) + 1);
  await Promise.all([...count].map(([type, each]) => receiver.see(type, each)));
  return names(receiver.messages);
}

describe.each(kinds)("over %s", (kind) => {
  const orders: [name: string, from: "parent" | "runner", sent: Message[]][] = [
    ["code of any length arrives before the calls that need it", "parent", [module(200_000), call(1)]],
    [
      "a cancel arrives after the call that it is for, however large that is",
      "parent",
      [call(1, large), { type: "cancel", id: 1, value: value() }],
    ],
    [
      "large progress arrives before the result of its call",
      "runner",
      [
        { type: "progress", id: 1, value: value(large) },
        { type: "progress", id: 1, value: value() },
        { type: "result", id: 1, value: value() },
      ],
    ],
    [
      "a runner that says that all is sent has sent all, large results too",
      "runner",
      [{ type: "result", id: 1, value: value(large) }, { type: "drain" }],
    ],
  ];
  test.each(orders)("%s", async (_, from, sent) => {
    expect(await arrive(await converse(kind), from, sent)).toEqual(names(sent));
  });

  test("calls are not ordered: a small one passes a large one", async () => {
    expect(await arrive(await converse(kind), "parent", [call(1, large), call(2)])).toEqual(["call 2", "call 1"]);
  });

  test("end() flushes large messages as well", async () => {
    const { parent, runner } = await converse(kind);
    runner.session.send({ type: "result", id: 1, value: value(large) });
    runner.session.end();
    expect([await parent.seeClosed(), await runner.seeClosed()]).toEqual([undefined, undefined]);
    expect(names(parent.messages)).toEqual(["result 1"]);
  });
});

test("a session that its handler ends gets no message more, not even of the same chunk", async () => {
  const { parent, runner } = await converse("memory");
  parent.onMessage = () => parent.session.destroy();
  for (let id = 1; id <= 5; id++) runner.session.send({ type: "accepted", id });
  await parent.seeClosed();
  expect(names(parent.messages)).toEqual(["accepted 1"]);
});
