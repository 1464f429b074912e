/** Declared binaries by name, and where each was declared. */
import { TinderboxError } from "../../errors.ts";
import { show } from "../../options.ts";
import type { BinaryData } from "./data.ts";
import type { BinaryDeps } from "./deps.ts";
import { Binary } from "./handle.ts";
import { releaseOf } from "./location.ts";
import type { BinaryOptions } from "./options.ts";

/** Made from a handle that a closure has captured: a declaration of this process takes its place. */
const received = Symbol("received");

export class BinaryRegistry {
  readonly #deps: BinaryDeps;
  readonly #binaries = new Map<string, { readonly binary: Binary; readonly place: string | symbol | undefined }>();

  constructor(deps: BinaryDeps) {
    this.#deps = deps;
  }

  /** `at` is where the declaration stands: the same place replaces (a reloaded module), another one throws. */
  declare(name: string, options: BinaryOptions, at: string | undefined): Binary {
    if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
      throw new TypeError(`Cannot declare binary ${show(name)}: a name has 1 to 64 letters, digits, ".", "_" or "-"`);
    }
    const known = this.#binaries.get(name);
    const data = { name, options, release: releaseOf(at) };
    if (known?.place === received) {
      // What closures have captured is the same binary from now on.
      known.binary.become(data);
      this.#binaries.set(name, { binary: known.binary, place: at });
      return known.binary;
    }
    if (known && (at === undefined || known.place !== at)) {
      const where = typeof known.place === "string" ? known.place : "at another place";
      throw new TinderboxError(
        `Cannot declare binary "${name}": it is declared ${where} already; use another name, or import that binary`,
        { code: "ERR_TINDERBOX_BINARY_NAME" },
      );
    }
    const binary = new Binary(data, this.#deps);
    this.#binaries.set(name, { binary, place: at });
    void known?.binary.close();
    return binary;
  }

  /** What a captured handle stands for here: the declaration of this process if there is one, else the sender's latest. */
  receive(data: BinaryData): Binary {
    const known = this.#binaries.get(data.name);
    if (!known) {
      const binary = new Binary(data, this.#deps);
      this.#binaries.set(data.name, { binary, place: received });
      return binary;
    }
    if (known.place === received && data.serial > known.binary.serial) known.binary.become(data);
    return known.binary;
  }

  all(): Binary[] {
    return [...this.#binaries.values()].map(({ binary }) => binary);
  }
}
