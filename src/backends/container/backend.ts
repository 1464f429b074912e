/** Runners in containers of this machine: each runs the release, dials home, and is removed by id. */
import { randomBytes } from "node:crypto";
import { ContainerError } from "../../errors.ts";
import type { BootRequest, Machine } from "../../ports/backend.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Gate } from "../../ports/gate.ts";
import type { Connection } from "../../ports/transport.ts";
import { inheritedFlags } from "../local.ts";
import type { RemoteSite } from "../remote/site.ts";
import type { EngineApi, ImageFacts } from "./api.ts";
import { parentFile } from "./init.ts";
import { Container } from "./machine.ts";
import type { ResolvedContainerOptions } from "./options.ts";
import { type Laid, specOf } from "./spec.ts";
import { ownName } from "./sweep.ts";

export interface ContainerSiteDeps {
  readonly clock: Clock;
  readonly options: ResolvedContainerOptions;
  readonly api: EngineApi;
  readonly gate: Gate;
  /** Where containers find the gate, in the order in which they try. */
  readonly addresses: readonly string[];
  /** What containers run, laid ready. Asked for each; what is there already costs nothing. */
  release(): Promise<Laid>;
  /** An image is on its way; this is what the engine says of it. */
  pulling(text: string): void;
  trouble(error: unknown): void;
  close(): Promise<void>;
}

export class ContainerSite implements RemoteSite {
  readonly address: string;
  readonly #deps: ContainerSiteDeps;
  readonly #containers = new Set<Container>();
  #image: Promise<ImageFacts> | undefined;

  constructor(deps: ContainerSiteDeps) {
    this.#deps = deps;
    this.address = deps.gate.address;
  }

  async boot(request: BootRequest, accept: (connection: Connection) => void): Promise<Machine> {
    request.phase("requested");
    const { clock, options, api, gate, addresses, trouble } = this.#deps;
    const [image, laid] = await Promise.all([this.#imageFacts(), this.#deps.release()]);
    const { lifetimeMs } = request;
    const expires = lifetimeMs === Infinity ? "never" : new Date(clock.wall() + lifetimeMs).toISOString();
    const id = await api.create(
      nameOf(request.runner),
      specOf({ options, request, laid, imageEnv: image.env, owner: ownName(), expires }),
    );
    const ticket = randomBytes(32);
    let container: Container | undefined;
    const stop = gate.expect(ticket, (claim) => (claim.instance === id ? container?.admit(claim) : undefined));
    try {
      // Before its start, so that not a word of it is missed.
      const stream = await api.attach(id);
      container = new Container(id, stream, {
        clock,
        api,
        request,
        flags: inheritedFlags(),
        windowMs: options.windowMs,
        memory: options.memory === undefined ? undefined : `${Math.round(options.memory / 1024 ** 2)} MiB`,
        accept,
        trouble,
        forget: (gone) => {
          stop();
          this.#containers.delete(gone);
        },
      });
      this.#containers.add(container);
      await api.start(id);
    } catch (error) {
      stop();
      if (container) container.kill();
      else await api.remove(id).catch(trouble);
      throw error;
    }
    request.phase("launched");
    container.tell({
      addresses,
      listen: null,
      fingerprint: gate.fingerprint,
      ticket: ticket.toString("base64url"),
      instance: id,
      identity: null,
      phases: {},
      parentFile,
      noticeFile: null,
    });
    return container;
  }

  close(): Promise<void> {
    return this.#deps.close();
  }

  /** Found or pulled once; a failure is not kept. */
  #imageFacts(): Promise<ImageFacts> {
    const facts = (this.#image ??= this.#findImage());
    facts.catch(() => (this.#image = undefined));
    return facts;
  }

  async #findImage(): Promise<ImageFacts> {
    const { api, options, pulling } = this.#deps;
    const there = await api.image(options.image);
    if (there) return there;
    pulling(`pulling image ${options.image}`);
    await api.pull(options.image, pulling);
    const pulled = await api.image(options.image);
    if (pulled) return pulled;
    throw new ContainerError(`Cannot use image ${options.image}: it was pulled, and is not there; name it in full`, {
      permanent: true,
    });
  }
}

/** For people who list containers; other parents have runners of the same name. */
function nameOf(runner: string): string {
  return `tinderbox-${runner.replaceAll(/[^\w.-]/g, "_")}-${randomBytes(4).toString("hex")}`;
}
