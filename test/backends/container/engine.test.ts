/** The engine's side of the backend, against an engine that does as it is told: podman is well-behaved, others are not. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { afterEach, describe, expect, test } from "vitest";
import { EngineApi } from "../../../src/backends/container/api.ts";
import { Console } from "../../../src/backends/container/console.ts";
import { findEngine, socketsOf } from "../../../src/backends/container/find.ts";
import { EngineSocket } from "../../../src/backends/container/http.ts";
import { Container, type ContainerDeps } from "../../../src/backends/container/machine.ts";
import { isGone, ownName, ownScope, Sweeper } from "../../../src/backends/container/sweep.ts";
import { systemClock } from "../../../src/clock.ts";
import { ContainerError } from "../../../src/errors.ts";
import type { BootRequest } from "../../../src/ports/backend.ts";
import { FakeClock } from "../../../src/testing.ts";
import { testRun } from "../../harness/run.ts";
import { until } from "../../harness/until.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const servers: Server[] = [];
let sockets = 0;

/** Answers as `handle` does; gives the path of its socket. */
async function engine(handle: Handler): Promise<string> {
  const path = join(testRun.folder, `engine-${++sockets}.sock`);
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => handle(request, response, body));
  }).listen(path);
  servers.push(server);
  await once(server, "listening");
  return path;
}

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const answering =
  (status: number, body: unknown, seen: string[] = []): Handler =>
  (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };

async function api(handle: Handler, clock = systemClock): Promise<EngineApi> {
  return new EngineApi(new EngineSocket(await engine(handle), clock), "1.44");
}

const failure = (promise: Promise<unknown>): Promise<ContainerError> =>
  promise.then(
    () => expect.unreachable(),
    (error: unknown) => {
      expect(error).toBeInstanceOf(ContainerError);
      return error as ContainerError;
    },
  );

describe("where the engine is", () => {
  test("the option comes first, then the environment, then the usual places", () => {
    const env = { CONTAINER_HOST: "unix:///a.sock", DOCKER_HOST: "unix:///b.sock", XDG_RUNTIME_DIR: "/run/user/7" };
    expect(socketsOf("/mine.sock", env)).toEqual(["/mine.sock"]);
    expect(socketsOf(undefined, env)).toEqual(["/a.sock"]);
    expect(socketsOf(undefined, { ...env, CONTAINER_HOST: "" })).toEqual(["/b.sock"]);
    expect(socketsOf(undefined, { XDG_RUNTIME_DIR: "/run/user/7" })).toEqual([
      "/run/podman/podman.sock",
      "/run/user/7/podman/podman.sock",
      "/var/run/docker.sock",
      "/run/user/7/docker.sock",
    ]);
    expect(socketsOf(undefined, {})).toEqual(["/run/podman/podman.sock", "/var/run/docker.sock"]);
  });

  test("an engine of another machine is refused, by the name of the variable", () => {
    expect(() => socketsOf(undefined, { DOCKER_HOST: "tcp://far:2375" })).toThrow(
      /Cannot use DOCKER_HOST=tcp:\/\/far:2375: only engines at a Unix socket.*option "engine"/,
    );
  });

  test("requests name the version that it has told", async () => {
    const seen: string[] = [];
    const path = await engine((request, response, body) => {
      response.setHeader("api-version", "1.51");
      answering(200, request.url === "/_ping" ? "OK" : [], seen)(request, response, body);
    });
    const found = await findEngine(path, {}, systemClock);
    await found.labelled("a.b");
    const filters = encodeURIComponent('{"label":["a.b"]}');
    expect(seen).toEqual(["GET /_ping", `GET /v1.51/containers/json?all=1&filters=${filters}`]);
  });

  test("each that was tried is said, with what was wrong", async () => {
    const path = await engine(answering(500, "no"));
    const error = await failure(findEngine(path, {}, systemClock));
    expect(error.permanent).toBe(true);
    expect(error.message).toContain(`tried ${path} (status 500); start one with`);
    const file = await failure(findEngine("/dev/null", {}, systemClock));
    expect(file.message).toMatch(/tried \/dev\/null \((nobody listens|it is no socket)\)/);
  });
});

describe("requests", () => {
  test("an engine that says nothing is given up at the deadline", async () => {
    const clock = new FakeClock();
    let asked = 0;
    const mute = await api(() => void asked++, clock);
    const error = failure(mute.start("abc"));
    await until("its request", () => asked === 1);
    clock.advance(119_999);
    clock.advance(1);
    expect((await error).message).toMatch(/Cannot start a container: it says nothing for 120000 ms; see whether/);
    expect((await error).permanent).toBe(false);
    expect(clock.pending()).toBe(0);
  });

  test("an answer that stops in the middle is no answer", async () => {
    const broken = await api((_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("{");
      response.socket!.destroySoon();
    });
    const error = await failure(broken.state("abc"));
    expect(error.message).toMatch(/Cannot look at container abc: .*; see whether the engine runs/);
    expect(error.permanent).toBe(false);
  });

  test.each([
    [404, "no such network", true],
    [400, "invalid mount", true],
    [409, "name in use", false],
    [429, "too many", false],
    [500, "disk is full", false],
    [500, "crun: executable file `/bin/sh` not found in $PATH", true],
  ])("status %i and %j: whether trying again can help", async (status, message, permanent) => {
    const refusing = await api(answering(status, { message }));
    const error = await failure(refusing.create("name", {}));
    expect(error).toMatchObject({ status, permanent, message: `Cannot create a container: ${message}` });
  });

  test("words that are no JSON are shown, too", async () => {
    const refusing = await api(answering(500, "page not found\n"));
    expect((await failure(refusing.start("abc"))).message).toBe("Cannot start a container: page not found");
    const silent = await api(answering(500, ""));
    expect((await failure(silent.start("abc"))).message).toMatch(/the engine answers with status 500$/);
  });

  test("an attachment that is refused says why", async () => {
    const refusing = await api(answering(409, { message: "it is paused" }));
    expect((await failure(refusing.attach("abc"))).message).toBe("Cannot attach to a container: it is paused");
  });

  test("a container that runs, one that is paused, one that has ended, and none", async () => {
    const states: unknown[] = [
      { Running: true },
      { Running: false, Paused: true },
      { Running: false, ExitCode: 7, OOMKilled: true },
    ];
    const telling = await api((request, response, body) => {
      const State = states.shift();
      answering(State ? 200 : 404, { State })(request, response, body);
    });
    expect(await telling.state("a")).toEqual({ running: true, exitCode: 0, oom: false });
    expect(await telling.state("a")).toEqual({ running: true, exitCode: 0, oom: false });
    expect(await telling.state("a")).toEqual({ running: false, exitCode: 7, oom: true });
    expect(await telling.state("a")).toBeUndefined();
  });

  test("the removal of one that is just going has to be asked for again", async () => {
    const statuses = [409, 204, 404];
    const removing = await api((request, response, body) => answering(statuses.shift()!, {})(request, response, body));
    expect([await removing.remove("a"), await removing.remove("a"), await removing.remove("a")]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe("images", () => {
  const lines = (...all: object[]): string => all.map((each) => `${JSON.stringify(each)}\r\n`).join("");

  test("what the engine says of a pull is passed on, line by line, wherever it is cut", async () => {
    const seen: string[] = [];
    const pulling = await api((request, response) => {
      seen.push(request.url!);
      const text = lines({ status: "Pulling from debian" }, { id: "abc", status: "Downloading" }, { status: "Done" });
      response.write(text.slice(0, 30));
      setImmediate(() => response.end(text.slice(30)));
    });
    const words: string[] = [];
    await pulling.pull("docker.io/library/debian", (text) => words.push(text));
    await pulling.pull("host:5000/debian@sha256:12", () => undefined);
    expect(words).toEqual(["Pulling from debian", "abc: Downloading", "Done"]);
    expect(seen.map((url) => new URL(url, "http://a").searchParams.get("fromImage"))).toEqual([
      "docker.io/library/debian:latest",
      "host:5000/debian@sha256:12",
    ]);
  });

  test.each([
    ["manifest unknown", true],
    ["pull access denied", true],
    ["dial tcp: i/o timeout", false],
    ["unexpected EOF", false],
    ["received unexpected HTTP status: 503 Service Unavailable", false],
  ])("a pull that fails in the middle with %j", async (error, permanent) => {
    const failing = await api(answering(200, lines({ status: "Pulling" }, { error })));
    const found = await failure(failing.pull("debian:stable", () => undefined));
    expect(found.permanent).toBe(permanent);
    expect(found.message).toBe(
      `Cannot pull image debian:stable: ${error}; check its name, pull it by hand, or name another by option "image"`,
    );
  });

  test("a pull that is refused at once", async () => {
    const failing = await api(answering(404, { message: "no such repository" }));
    expect((await failure(failing.pull("a/b", () => undefined))).message).toMatch(/a\/b: no such repository; check/);
  });
});

describe("the console", () => {
  const piece = (stream: number, text: string): Buffer => {
    const bytes = Buffer.from(text);
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(bytes.length, 4);
    return Buffer.concat([header, bytes]);
  };

  test("lines of both streams come whole, wherever the engine cuts them", () => {
    const all = Buffer.concat([piece(1, "one\ntw"), piece(2, "wrong ä"), piece(1, "o\n"), piece(2, "€\nlast")]);
    for (let size = 1; size <= all.length; size++) {
      const seen: string[] = [];
      const console = new Console((stream, line) => seen.push(`${stream} ${line}`));
      for (let at = 0; at < all.length; at += size) console.push(all.subarray(at, at + size));
      console.flush();
      expect(seen).toEqual(["stdout one", "stdout two", "stderr wrong ä€", "stderr last"]);
    }
  });

  test("what claims to be larger than anything is left out", () => {
    const seen: string[] = [];
    const console = new Console((_, line) => seen.push(line));
    console.push(Buffer.from([1, 0, 0, 0, 255, 255, 255, 255, 65]));
    console.push(piece(1, "next\n"));
    expect(seen).toEqual(["next"]);
  });
});

describe("whose a container is", () => {
  test("a process that lives is known, and one that is gone, also where its number was given again", () => {
    const own = ownName();
    expect(own).toMatch(new RegExp(`^[0-9a-f-]{36}/\\d+/${process.pid}\\.\\d+$`));
    expect(isGone(own)).toBe(false);
    expect(isGone(own.replace(/\d+$/, "1"))).toBe(true);
    expect(isGone(own.replace(/\d+\.\d+$/, "4194304.5"))).toBe(true);
  });

  test("of a process that cannot be seen from here nothing is said", () => {
    const own = ownName();
    const gone = own.replace(/\d+$/, "1");
    expect(isGone(gone)).toBe(true);
    expect(isGone(gone.replace(/^[0-9a-f]/, "x"))).toBe(false);
    expect(isGone(gone.replace(/\/\d+\//, "/1/"))).toBe(false);
    expect(isGone(`${ownScope()}/nonsense`)).toBe(false);
    expect(isGone("")).toBe(false);
    expect(isGone(own.replace(/\d+$/, "1"), undefined)).toBe(true);
  });
});

describe("the sweep", () => {
  test("ends at once what is to end with its parent, and what may finish once it has had the time for that", async () => {
    const clock = new FakeClock();
    const gone = ownName().replace(/\d+$/, "1");
    const found = (id: string, owner: string, loss: string) => ({
      id,
      labels: { "tinderbox.owner": owner, "tinderbox.parent-loss": loss },
    });
    let all = [found("a", gone, "kill"), found("b", gone, "drain"), found("c", ownName(), "kill")];
    const removed: string[] = [];
    const sweeper = new Sweeper(
      {
        labelled: () => Promise.resolve(all),
        remove: (id) => Promise.resolve(removed.push(id) > 0),
      },
      clock,
    );
    await sweeper.look();
    expect(removed).toEqual(["a"]);
    all = [...all.slice(1), found("d", gone, "drain")];
    clock.advance(59_999);
    await sweeper.look();
    expect(removed).toEqual(["a"]);
    clock.advance(1);
    await sweeper.look();
    expect(removed).toEqual(["a", "b"]);
    clock.advance(59_998);
    await sweeper.look();
    expect(removed).not.toContain("d");
    clock.advance(sweeper.againMs);
    await sweeper.look();
    expect(removed).toContain("d");
    expect(removed).not.toContain("c");
  });
});

describe("a container", () => {
  interface Made {
    readonly container: Container;
    readonly console: Duplex;
    readonly written: string[];
    readonly phases: string[];
    readonly removals: number[];
    readonly troubles: unknown[];
  }

  function make(changes: Partial<ContainerDeps["api"]> = {}, clock = new FakeClock()): Made & { clock: FakeClock } {
    const [phases, removals, troubles]: [string[], number[], unknown[]] = [[], [], []];
    const written: string[] = [];
    const console = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _, done) => (written.push(chunk.toString()), done()),
    });
    const nothing = (): void => undefined;
    const request: BootRequest = {
      runner: "a-1",
      pool: "a",
      address: "",
      token: Buffer.alloc(32),
      env: {},
      onParentLoss: "kill",
      bootTimeoutMs: 1,
      lifetimeMs: 1,
      phase: (name) => void phases.push(name),
      output: nothing,
      beat: nothing,
      leaving: nothing,
    };
    const asked = {
      remove: () => Promise.resolve(removals.push(clock.now()) < 2),
      state: () => Promise.resolve({ running: true, exitCode: 0, oom: false }),
      ...changes,
    };
    const container = new Container("abc", console, {
      clock,
      api: asked,
      request,
      flags: [],
      windowMs: 5_000,
      memory: undefined,
      accept: nothing,
      forget: nothing,
      trouble: (error) => void troubles.push(error),
    });
    return { container, console, written, phases, removals, troubles, clock };
  }
  const line = (text: string): Buffer => {
    const bytes = Buffer.from(`${text}\n`);
    return Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, bytes.length]), bytes]);
  };

  test("is gone once the engine says that there is none, and not before", async () => {
    const made = make();
    let gone = false;
    void made.container.exited.then(() => (gone = true));
    made.container.kill();
    await until("the first removal", () => made.removals.length === 1);
    expect(gone).toBe(false);
    made.clock.advance(25);
    expect(await made.container.exited).toEqual({ reason: "the end of its container" });
    expect(made.removals).toEqual([1_000, 1_025]);
    // For a process that exits before its request is out.
    expect(made.written).toEqual(["end\n\n"]);
  });

  test("that cannot be removed is tried again, more and more seldom, and it is said once", async () => {
    const made = make({ remove: () => Promise.reject(new Error(`no ${made.removals.push(made.clock.now())}`)) });
    made.container.kill();
    for (let tries = 1; tries < 12; tries++) {
      await until("a removal", () => made.removals.length === tries);
      await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      made.clock.advance(2_000);
    }
    expect(made.troubles).toHaveLength(1);
  });

  test("whose output ends while it runs goes on, and is gone when it has ended", async () => {
    const states = [true, true, false].map((running) => ({ running, exitCode: 3, oom: false }));
    const made = make({ state: () => Promise.resolve(states.shift()!) });
    made.console.push(null);
    await until("the first look", () => states.length === 2);
    expect(made.removals).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    made.clock.advance(25);
    await until("the second look", () => states.length === 1);
    await new Promise((resolve) => setImmediate(resolve));
    made.clock.advance(50);
    await until("its removal", () => made.removals.length === 1);
    made.clock.advance(25);
    expect(await made.container.exited).toEqual({ reason: "status 3 of its container" });
  });

  test.each([true, false])(
    "whose agent has ended may say how, and has two seconds for it (it does: %s)",
    async (says) => {
      const { container, console: output, removals, clock } = make();
      const admission = container.admit({ instance: "abc", identity: undefined, phases: {}, peer: "" })!;
      admission.exited({ signal: "SIGKILL" });
      await new Promise((resolve) => setImmediate(resolve));
      expect(removals).toEqual([]);
      if (says) {
        output.push(line("tinderbox end: 0 1"));
        output.push(null);
      } else clock.advance(2_000);
      await until("its removal", () => removals.length === 1);
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(25);
      const oom = { oom: true, reason: "out of memory (OOMKilled)" };
      expect(await container.exited).toEqual({ signal: "SIGKILL", ...(says ? oom : {}) });
    },
  );

  test("tells its phases once each, and what it has printed otherwise as its last words", async () => {
    const made = make();
    for (const text of [
      "tinderbox boot: booted",
      "tinderbox boot: booted",
      "node: not found",
      "tinderbox boot: started",
    ])
      made.console.push(line(text));
    await until("its lines", () => made.phases.length === 2);
    expect(made.phases).toEqual(["booted", "started"]);
    expect(await made.container.lastWords()).toEqual(["node: not found"]);
    for (let each = 0; each < 30; each++) made.console.push(line(`line ${each}`));
    await until("its last line", async () => (await made.container.lastWords()).at(-1) === "line 29");
    expect(await made.container.lastWords()).toHaveLength(20);
  });
});
