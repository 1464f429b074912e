/** Requests to an engine: HTTP over its Unix socket. Each ends, with an answer or by its deadline. */
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { ContainerError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";

export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  /** What is done, for the message of an error: "Cannot ...". */
  readonly doing: string;
  /** What the engine may take for the next sign of life. @default 30000 */
  readonly withinMs?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

const answerMs = 30_000;
/** Answers that we read at once are small; one that is not is none. */
const mostBytes = 16 * 1024 * 1024;

export class EngineSocket {
  readonly path: string;
  readonly #clock: Clock;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /** Any answer, whatever its status. */
  async ask(call: Call): Promise<Answer> {
    let text = "";
    const { status, headers } = await this.#send(call, (chunk) => {
      text += chunk;
      if (text.length > mostBytes) throw new Error("its answer does not end");
    });
    return { status, headers, text };
  }

  /** An answer that comes line by line for as long as something is done. */
  async follow(call: Call, line: (text: string) => void): Promise<Omit<Answer, "text">> {
    let rest = "";
    const answer = await this.#send(call, (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const each of lines) line(each);
    });
    if (rest !== "") line(rest);
    return answer;
  }

  /** A connection of one's own, which keeps nobody alive: both ways, raw. Or an answer that says why there is none. */
  upgrade({ method, path, doing, withinMs = answerMs }: Call): Promise<Duplex | Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({
        socketPath: this.path,
        method,
        path,
        agent: false,
        headers: { connection: "Upgrade", upgrade: "tcp" },
      });
      const timer = this.#clock.timer(withinMs, () => asked.destroy(new Error(`no answer within ${withinMs} ms`)));
      asked.once("upgrade", (_answer, socket, head) => {
        timer.cancel();
        socket.unref();
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      // It does not do it, and says why.
      asked.once("response", (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => (text = (text + chunk).slice(0, mostBytes)));
        answer.once("close", () => {
          timer.cancel();
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text });
        });
      });
      asked.once("error", (error) => {
        timer.cancel();
        reject(failed(doing, error));
      });
      asked.end();
    });
  }

  #send(
    { method, path, body, doing, withinMs = answerMs }: Call,
    take: (chunk: string) => void,
  ): Promise<Omit<Answer, "text">> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
      const asked = request({ socketPath: this.path, method, path, agent: false, headers });
      const late = (): void => void asked.destroy(new Error(`it says nothing for ${withinMs} ms`));
      let timer = this.#clock.timer(withinMs, late);
      const fail = (error: Error): void => {
        timer.cancel();
        asked.destroy();
        reject(failed(doing, error));
      };
      asked.once("error", fail);
      asked.once("response", (answer) => {
        answer.setEncoding("utf8");
        answer.on("data", (chunk: string) => {
          timer.cancel();
          timer = this.#clock.timer(withinMs, late);
          try {
            take(chunk);
          } catch (error) {
            fail(error as Error);
          }
        });
        answer.once("error", fail);
        answer.once("end", () => {
          timer.cancel();
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers });
        });
      });
      asked.end(text);
    });
  }
}

/** An engine that does not answer may do so later. */
function failed(doing: string, cause: Error): ContainerError {
  return new ContainerError(`Cannot ${doing}: ${cause.message}; see whether the engine runs`, {
    cause,
    permanent: false,
  });
}
