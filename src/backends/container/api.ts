/** What is asked of a container engine, as Docker defined it and podman understands it too. */
import type { Duplex } from "node:stream";
import { ContainerError } from "../../errors.ts";
import type { Answer, Call, EngineSocket } from "./http.ts";

/** A container as it is listed. */
export interface Found {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What an engine says of a container while it has it. */
export interface State {
  readonly running: boolean;
  readonly exitCode: number;
  readonly oom: boolean;
}

export interface ImageFacts {
  /** `NAME=value` each. */
  readonly env: readonly string[];
}

/** What a registry or the way to it may have for a moment. */
const passing = /time(d )?out|temporar|handshake|\bEOF\b|reset|toomanyrequests|\b(429|50[0234])\b/i;
const createMs = 120_000;
/** An image comes with signs of life every few seconds. */
const pullMs = 120_000;

export class EngineApi {
  readonly socket: EngineSocket;
  /** What all paths begin with: engines refuse versions that are too old for them. */
  readonly #version: string;

  constructor(socket: EngineSocket, version: string) {
    this.socket = socket;
    this.#version = /^[\d.]+$/.test(version) ? `/v${version}` : "";
  }

  async image(name: string): Promise<ImageFacts | undefined> {
    const answer = await this.#ask({
      method: "GET",
      path: `/images/${encodeURIComponent(name)}/json`,
      doing: `look for image ${name}`,
      fine: [200, 404],
    });
    if (answer.status === 404) return undefined;
    const { Config } = JSON.parse(answer.text) as { Config?: { Env?: string[] | null } | null };
    return { env: Config?.Env ?? [] };
  }

  /** `progress` is told what the engine says of each step. Rejects with what it says when it cannot. */
  async pull(name: string, progress: (text: string) => void): Promise<void> {
    const doing = `pull image ${name}`;
    const query = new URLSearchParams({ fromImage: tagged(name) });
    let failure: string | undefined;
    let text = "";
    const call: Call = { method: "POST", path: `${this.#version}/images/create?${query}`, doing, withinMs: pullMs };
    const { status } = await this.socket.follow(call, (line) => {
      if (line.trim() === "") return;
      const { error, status: step, id, message } = parsed(line);
      text = message ?? text;
      if (error !== undefined) failure = error;
      else if (step !== undefined) progress(id === undefined ? step : `${id}: ${step}`);
    });
    if (status === 200 && failure === undefined) return;
    const why = (failure ?? text) || `status ${status}`;
    throw new ContainerError(
      `Cannot ${doing}: ${why}; check its name, pull it by hand, or name another by option "image"`,
      { status, permanent: !passing.test(why) },
    );
  }

  async create(name: string, spec: object): Promise<string> {
    const { text } = await this.#ask({
      method: "POST",
      path: `/containers/create?${new URLSearchParams({ name })}`,
      body: spec,
      doing: "create a container",
      fine: [201],
      withinMs: createMs,
    });
    return (JSON.parse(text) as { Id: string }).Id;
  }

  async start(id: string): Promise<void> {
    await this.#ask({
      method: "POST",
      path: `/containers/${id}/start`,
      doing: "start a container",
      fine: [204, 304],
      withinMs: createMs,
    });
  }

  /** Its input and its output, in one. */
  async attach(id: string): Promise<Duplex> {
    const path = `${this.#version}/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`;
    const doing = "attach to a container";
    const answer = await this.socket.upgrade({ method: "POST", path, doing });
    if ("status" in answer) throw refusal(doing, answer);
    return answer;
  }

  /** Ends it with all that is in it. False when the engine has no such container any more; one that is just going may have to be asked again. */
  async remove(id: string): Promise<boolean> {
    const path = `/containers/${id}?force=true&v=true`;
    const fine = [200, 204, 404, 409];
    const { status } = await this.#ask({ method: "DELETE", path, doing: `remove container ${id}`, fine });
    return status !== 404;
  }

  async state(id: string): Promise<State | undefined> {
    const { status, text } = await this.#ask({
      method: "GET",
      path: `/containers/${id}/json`,
      doing: `look at container ${id}`,
      fine: [200, 404],
    });
    if (status === 404) return undefined;
    const { State } = JSON.parse(text) as {
      State: { Running?: boolean; Paused?: boolean; ExitCode?: number; OOMKilled?: boolean };
    };
    return {
      running: State.Running === true || State.Paused === true,
      exitCode: State.ExitCode ?? 0,
      oom: State.OOMKilled === true,
    };
  }

  /** All that have that label, also those that do not run. */
  async labelled(label: string): Promise<readonly Found[]> {
    const query = new URLSearchParams({ all: "1", filters: JSON.stringify({ label: [label] }) });
    const { text } = await this.#ask({
      method: "GET",
      path: `/containers/json?${query}`,
      doing: "list containers",
      fine: [200],
    });
    const found = JSON.parse(text) as { Id: string; Labels?: Record<string, string> | null }[];
    return found.map(({ Id, Labels }) => ({ id: Id, labels: Labels ?? {} }));
  }

  async #ask({ fine, ...call }: Call & { readonly fine: readonly number[] }): Promise<Answer> {
    const answer = await this.socket.ask({ ...call, path: `${this.#version}${call.path}` });
    if (fine.includes(answer.status)) return answer;
    throw refusal(call.doing, answer);
  }
}

/** What is wrong with a request will be wrong with the next. So will what an image lacks, which engines give many a status. */
function refusal(doing: string, { status, text }: Answer): ContainerError {
  const said = (parsed(text).message ?? text.trim()) || `the engine answers with status ${status}`;
  const conflict = status === 409 || status === 429;
  const permanent =
    (status >= 400 && status < 500 && !conflict) || /no such file|not found|permission denied/i.test(said);
  return new ContainerError(`Cannot ${doing}: ${said}`, { status, permanent });
}

/** Without one engines bring all that there are. */
function tagged(name: string): string {
  return /[:@][^/]+$/.test(name) ? name : `${name}:latest`;
}

interface Words {
  readonly error?: string;
  readonly status?: string;
  readonly id?: string;
  readonly message?: string;
}

function parsed(text: string): Words {
  try {
    return (JSON.parse(text) as Words | null) ?? {};
  } catch {
    return {};
  }
}
