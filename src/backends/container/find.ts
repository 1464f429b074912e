/** Where the engine is: the first socket that somebody answers at. */
import { ContainerError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { EngineApi } from "./api.ts";
import { EngineSocket } from "./http.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What an engine may take to say that it is there. */
const pingMs = 10_000;

/** Sockets in the order in which they are tried. One that is named is the only one. */
export function socketsOf(given: string | undefined, env: Environment): readonly string[] {
  if (given !== undefined) return [given];
  for (const name of ["CONTAINER_HOST", "DOCKER_HOST"]) {
    const value = env[name];
    if (value === undefined || value === "") continue;
    const path = /^(?:unix:\/\/)?(\/.+)$/.exec(value)?.[1];
    if (path !== undefined) return [path];
    throw new ContainerError(
      `Cannot use ${name}=${value}: only engines at a Unix socket of this machine are spoken to; unset it, or name a socket by option "engine"`,
      { permanent: true },
    );
  }
  const own = env["XDG_RUNTIME_DIR"];
  return [
    "/run/podman/podman.sock",
    ...(own === undefined || own === "" ? [] : [`${own}/podman/podman.sock`]),
    "/var/run/docker.sock",
    ...(own === undefined || own === "" ? [] : [`${own}/docker.sock`]),
  ];
}

/** @throws ContainerError when nobody answers: it says where it was tried, and how an engine is started. */
export async function findEngine(given: string | undefined, env: Environment, clock: Clock): Promise<EngineApi> {
  const tried: string[] = [];
  for (const path of socketsOf(given, env)) {
    try {
      const socket = new EngineSocket(path, clock);
      const { status, headers } = await socket.ask({
        method: "GET",
        path: "/_ping",
        doing: "reach it",
        withinMs: pingMs,
      });
      if (status === 200) return new EngineApi(socket, String(headers["api-version"] ?? ""));
      tried.push(`${path} (status ${status})`);
    } catch (error) {
      const { code, message } = (error as { cause: NodeJS.ErrnoException }).cause;
      tried.push(`${path} (${reasons[code ?? ""] ?? message})`);
    }
  }
  throw new ContainerError(
    `Cannot reach a container engine: tried ${tried.join(", ")}; start one with "systemctl --user start podman.socket", "podman system service --time=0" or Docker, or name its socket by option "engine"`,
    { permanent: true },
  );
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is none",
  ECONNREFUSED: "nobody listens",
  EACCES: "this user may not use it",
  ENOTSOCK: "it is no socket",
};
