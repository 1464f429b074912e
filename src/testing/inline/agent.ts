/** What runs on a machine that is a part of this process: dials the parent as any agent does, and runs what it is sent. */
import type { MemoryAgent } from "../../backends/memory.ts";
import type { BootRequest, MachineExit } from "../../ports/backend.ts";
import type { Message } from "../../wire/messages.ts";
import { Line, type LineHandlers, type Surroundings } from "./line.ts";

type End = Pick<Extract<Message, { type: "exited" }>, "exitCode" | "signal">;

const clean: End = { exitCode: 0, signal: null };

export class InlineAgent implements MemoryAgent {
  readonly #request: BootRequest;
  readonly #around: Surroundings;
  readonly #exited: (exit: MachineExit) => void;
  /** By number; undefined while one is on its way. */
  readonly #executors = new Map<number, Line | undefined>();
  #line: Line | undefined;
  #draining = false;
  #over = false;

  constructor(request: BootRequest, around: Surroundings, exited: (exit: MachineExit) => void) {
    this.#request = request;
    this.#around = around;
    this.#exited = exited;
    void this.#begin();
  }

  end(): void {
    this.#over = true;
    for (const line of this.#lines()) line.end();
  }

  freeze(): void {
    for (const line of this.#lines()) line.freeze();
  }

  *#lines(): Iterable<Line> {
    for (const line of [...this.#executors.values(), this.#line]) if (line) yield line;
  }

  async #begin(): Promise<void> {
    this.#line = await this.#dial(this.#request.token, {
      message: (message) => this.#hear(message),
      acknowledged: () => this.#exit(0),
      closed: () => this.#lost(),
    });
  }

  /** Undefined when the parent is not there any more, or this machine. */
  async #dial(token: Buffer, handlers: Omit<LineHandlers, "nest">): Promise<Line | undefined> {
    const connection = await this.#around.dial(this.#request.address).catch(() => undefined);
    if (!connection) this.#exit(1);
    if (this.#over) connection?.destroy();
    if (!connection || this.#over) return undefined;
    return new Line(connection, this.#request.runner, token, { ...handlers, nest: this.#around.nest });
  }

  #exit(exitCode: number): void {
    if (this.#over) return;
    this.end();
    this.#exited({ exitCode });
  }

  #hear(message: Message): void {
    if (message.type === "start") void this.#start(message.id, message.token);
    else if (message.type === "stop") this.#stopped(message.id, { exitCode: null, signal: "SIGKILL" });
    else if (message.type === "drain") {
      this.#draining = true;
      this.#noteEnd();
    }
  }

  /** The parent has let go of it: it ends at once, or with its last call. */
  #lost(): void {
    const station = this.#line?.station;
    if (this.#request.onParentLoss === "drain" && station) station.drain(() => this.#exit(0));
    else this.#exit(0);
  }

  async #start(number: number, token: Buffer): Promise<void> {
    this.#executors.set(number, undefined);
    const ended = (): void => this.#stopped(number, clean);
    const line = await this.#dial(token, { message() {}, acknowledged: ended, closed: ended });
    if (this.#executors.has(number)) this.#executors.set(number, line);
    else line?.end();
  }

  #stopped(id: number, end: End): void {
    if (!this.#executors.has(id)) return;
    const line = this.#executors.get(id);
    this.#executors.delete(id);
    line?.end();
    if (this.#over) return;
    this.#line?.send({ type: "exited", id, ...end, reason: null });
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#draining && this.#executors.size === 0) this.#line?.send({ type: "drain" });
  }
}
