import { createHmac, randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Answer,
  type Call,
  type Parties,
  answerBytes,
  callBytes,
  encodeAnswer,
  encodeCall,
  newStream,
  readAnswer,
  readCall,
  ticketIdOf,
} from "../../src/transport/tls-greeting.ts";
import { formatAddress, parseAddress } from "../../src/transport/tls.ts";

const ticket = randomBytes(32);
const [machineCertificate, parentCertificate, otherCertificate] = [0, 1, 2].map(() => randomBytes(32).toString("hex"));
const exporter = randomBytes(32);
const side = (own: string, peer: string, role: Parties["role"], secret = exporter): Parties => ({
  own,
  role,
  secured: { peer, exporter: secret, remote: "", socket: undefined as unknown as TLSSocket },
});
const machine = side(machineCertificate!, parentCertificate!, "machine");
const parent = side(parentCertificate!, machineCertificate!, "parent");
const call: Call = {
  kind: "data",
  fresh: false,
  ticketId: ticketIdOf(ticket),
  stream: newStream(),
  epoch: 7,
  position: 12_345,
};
const known = (id: string): Buffer | undefined => (id === ticketIdOf(ticket) ? ticket : undefined);

const calls = fc.record<Call>({
  kind: fc.constantFrom("guard", "data"),
  fresh: fc.boolean(),
  ticketId: fc.constant(ticketIdOf(ticket)),
  stream: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("hex")),
  epoch: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  position: fc.integer({ min: 0, max: 2 ** 48 - 2 }),
});
const answers: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ state: fc.constant("here" as const), position: fc.integer({ min: 0, max: 2 ** 48 - 2 }) }),
  fc.record({
    state: fc.constant("gone" as const),
    position: fc.option(fc.integer({ min: 0, max: 2 ** 48 - 2 }), { nil: undefined }),
  }),
);

test("calls and answers say what was meant, whoever dials", () => {
  fc.assert(
    fc.property(calls, answers, fc.boolean(), (words, answer, reversed) => {
      const [dialler, listener] = reversed ? [parent, machine] : [machine, parent];
      const bytes = encodeCall(words, ticket, dialler);
      expect([bytes.length, readCall(bytes, listener, known)]).toEqual([callBytes, words]);
      const reply = encodeAnswer(answer, bytes, ticket, listener);
      expect([reply.length, readAnswer(reply, bytes, ticket, dialler)]).toEqual([answerBytes, answer]);
    }),
  );
});

const elsewhere: [string, Parties, Parties][] = [
  ["another connection", machine, side(parentCertificate!, machineCertificate!, "parent", randomBytes(32))],
  ["another machine's certificate", machine, side(parentCertificate!, otherCertificate!, "parent")],
  ["another parent's certificate", machine, side(otherCertificate!, machineCertificate!, "parent")],
  ["the certificates exchanged", machine, side(machineCertificate!, parentCertificate!, "parent")],
  ["the same role", machine, side(parentCertificate!, machineCertificate!, "machine")],
  ["a proof of its own that comes back", machine, machine],
];

test.each(elsewhere)("a proof is of no use with %s", (_name, prover, reader) => {
  const bytes = encodeCall(call, ticket, prover);
  expect(readCall(bytes, reader, known)).toBeUndefined();
  const reply = encodeAnswer({ state: "here", position: 1 }, bytes, ticket, prover);
  expect(readAnswer(reply, bytes, ticket, reader)).toBeUndefined();
});

test("every bit of a call and of an answer is covered by its proof", () => {
  const bytes = encodeCall(call, ticket, machine);
  const reply = encodeAnswer({ state: "here", position: 1 }, bytes, ticket, parent);
  for (let bit = 0; bit < callBytes * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(readCall(changed, parent, () => ticket)).toBeUndefined();
    // An answer is one to this very call.
    expect(readAnswer(reply, changed, ticket, machine)).toBeUndefined();
  }
  for (let bit = 0; bit < answerBytes * 8; bit++) {
    const changed = Buffer.from(reply);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(readAnswer(changed, bytes, ticket, machine)).toBeUndefined();
  }
});

test("the proof of a call is what it is said to be; one of another version or kind is not read, though its proof holds", () => {
  const prove = (head: Buffer): Buffer =>
    createHmac("sha256", ticket)
      .update("tinderbox 1 machine ")
      .update(exporter)
      .update(Buffer.from(parentCertificate! + machineCertificate!, "hex"))
      .update(head)
      .digest();
  const bytes = encodeCall(call, ticket, machine);
  const head = bytes.subarray(0, callBytes - 32);
  expect(bytes.subarray(callBytes - 32).equals(prove(head))).toBe(true);
  for (const [at, value] of [
    [0, 0],
    [3, 2],
    [4, 2],
    [5, 2],
  ] as const) {
    const other = Buffer.from(head);
    other[at] = value;
    expect(readCall(Buffer.concat([other, prove(other)]), parent, known)).toBeUndefined();
  }
});

test("a ticket that is not known is not read, and its name tells nothing of it", () => {
  const bytes = encodeCall(call, ticket, machine);
  expect(readCall(bytes, parent, () => undefined)).toBeUndefined();
  expect(readCall(bytes, parent, () => randomBytes(32))).toBeUndefined();
  expect(ticketIdOf(ticket)).toMatch(/^[0-9a-f]{32}$/);
  expect(ticketIdOf(randomBytes(32))).not.toBe(ticketIdOf(ticket));
  expect(bytes.includes(ticket)).toBe(false);
});

test("addresses are host and port, those of IPv6 in brackets", () => {
  for (const [text, host, port] of [
    ["10.0.0.5:41234", "10.0.0.5", 41_234],
    ["parent.internal:1", "parent.internal", 1],
    ["[fe80::1]:65535", "fe80::1", 65_535],
  ] as const) {
    expect(parseAddress(text)).toEqual({ host, port });
    expect(formatAddress(host, port)).toBe(text);
  }
});
