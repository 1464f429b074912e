/**
 * The first words on each link, of fixed size and binary: who dials says which connection it means and how far it has come, who
 * listens answers with how far it has come. Both prove that they know the ticket, to this peer on this very connection:
 *
 *     proof = HMAC-SHA256(ticket, "tinderbox 1" role exporter parent's-fingerprint machine's-fingerprint words-so-far)
 *
 * A copy of it is of no use elsewhere: the exporter is another one on each connection, and differs on the two sides of whoever sits
 * in between. The exporter of TLS 1.3 does not cover the client's certificate; that is why both fingerprints are in it.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Secured } from "./tls.ts";

export type Role = "parent" | "machine";

/** Which connection of a machine: the one that its life hangs on, or one for data. */
export type Kind = "guard" | "data";

export interface Call {
  readonly kind: Kind;
  /** Whether this side has never heard of the other's having it: it may be made. */
  readonly fresh: boolean;
  /** 16 bytes as hexadecimal digits. */
  readonly ticketId: string;
  /** 16 random bytes as hexadecimal digits. */
  readonly stream: string;
  /** Counts the links of this connection: a later one takes the place of an earlier one, never the other way round. */
  readonly epoch: number;
  readonly position: number;
}

/** `position` of one that is gone: what it had read, where that is known still. */
export type Answer =
  | { readonly state: "here"; readonly position: number }
  | { readonly state: "gone"; readonly position: number | undefined };

/** "tbx" and the version. */
const magic = Buffer.from([0x74, 0x62, 0x78, 1]);
const kinds: readonly Kind[] = ["guard", "data"];
const proofBytes = 32;
const callHead = 52;
export const callBytes = callHead + proofBytes;
const answerHead = 16;
export const answerBytes = answerHead + proofBytes;
const unknown = 2 ** 48 - 1;

/** By which a ticket is looked up, without being told. */
export function ticketIdOf(ticket: Uint8Array): string {
  return createHash("sha256").update("tinderbox ticket id").update(ticket).digest("hex").slice(0, 32);
}

export function checkTicket(ticket: Uint8Array): void {
  if (ticket.length !== 32) throw new TypeError(`Cannot use a ticket of ${ticket.length} bytes: it has 32`);
}

/** A name for a connection. */
export function newStream(): string {
  return randomBytes(16).toString("hex");
}

/** Both sides of one link, and the ticket that they share. `role` is the side that proves. */
export interface Parties {
  readonly secured: Secured;
  /** Fingerprint of this side's certificate. */
  readonly own: string;
  readonly role: Role;
}

export function encodeCall(call: Call, ticket: Uint8Array, parties: Parties): Buffer {
  const bytes = Buffer.alloc(callBytes);
  magic.copy(bytes, 0);
  bytes[4] = kinds.indexOf(call.kind);
  bytes[5] = call.fresh ? 1 : 0;
  bytes.write(call.ticketId, 8, 16, "hex");
  bytes.write(call.stream, 24, 16, "hex");
  bytes.writeUInt32BE(call.epoch, 40);
  bytes.writeUIntBE(call.position, 46, 6);
  proof(ticket, parties, parties.role, bytes.subarray(0, callHead)).copy(bytes, callHead);
  return bytes;
}

/**
 * The call of a peer that has the ticket it names, undefined for any other. `ticketOf` looks a ticket up; where there is none the same work is
 * done, so that the time tells nothing.
 */
export function readCall(
  bytes: Buffer,
  parties: Parties,
  ticketOf: (ticketId: string) => Uint8Array | undefined,
): Call | undefined {
  const ticketId = bytes.toString("hex", 8, 24);
  const ticket = ticketOf(ticketId);
  const head = bytes.subarray(0, callHead);
  const wanted = proof(ticket ?? magic, parties, other(parties.role), head);
  const proven = timingSafeEqual(wanted, bytes.subarray(callHead, callBytes));
  const kind = kinds[bytes[4]!];
  if (!ticket || !proven || !head.subarray(0, 4).equals(magic) || kind === undefined || bytes[5]! > 1) return undefined;
  return {
    kind,
    fresh: bytes[5] === 1,
    ticketId,
    stream: bytes.toString("hex", 24, 40),
    epoch: bytes.readUInt32BE(40),
    position: bytes.readUIntBE(46, 6),
  };
}

/** `call` is the one that it answers, as it came. */
export function encodeAnswer(answer: Answer, call: Uint8Array, ticket: Uint8Array, parties: Parties): Buffer {
  const bytes = Buffer.alloc(answerBytes);
  magic.copy(bytes, 0);
  bytes[4] = answer.state === "here" ? 1 : 2;
  bytes.writeUIntBE(answer.position ?? unknown, 10, 6);
  proof(ticket, parties, parties.role, call, bytes.subarray(0, answerHead)).copy(bytes, answerHead);
  return bytes;
}

/** The answer of a peer that has the ticket too; undefined from any other. */
export function readAnswer(bytes: Buffer, call: Uint8Array, ticket: Uint8Array, parties: Parties): Answer | undefined {
  const head = bytes.subarray(0, answerHead);
  const wanted = proof(ticket, parties, other(parties.role), call, head);
  if (!timingSafeEqual(wanted, bytes.subarray(answerHead, answerBytes))) return undefined;
  const position = bytes.readUIntBE(10, 6);
  if (bytes[4] === 1) return { state: "here", position };
  return bytes[4] === 2 ? { state: "gone", position: position === unknown ? undefined : position } : undefined;
}

const other = (role: Role): Role => (role === "parent" ? "machine" : "parent");

function proof(ticket: Uint8Array, { secured, own, role }: Parties, prover: Role, ...words: Uint8Array[]): Buffer {
  const [parent, machine] = role === "parent" ? [own, secured.peer] : [secured.peer, own];
  const hmac = createHmac("sha256", ticket);
  hmac.update(`tinderbox 1 ${prover.padEnd(8)}`).update(secured.exporter);
  hmac.update(parent, "hex").update(machine, "hex");
  for (const word of words) hmac.update(word);
  return hmac.digest();
}
