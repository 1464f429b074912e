import { Ec2Error } from "../wire/errors.ts";
import type { Subnet } from "./catalogue.ts";

const numberOf = (address: string) => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const textOf = (value: number) => [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join(".");

/** The private addresses of one subnet. As in EC2 the first four and the last are nobody's. */
export class Addresses {
  readonly #first: number;
  readonly #size: number;
  readonly #id: string;
  /** Each says whether it is still taken. */
  readonly #taken = new Map<number, () => boolean>();
  #next = 0;

  constructor(id: string, { cidr }: Subnet) {
    const [base = "", bits = "32"] = cidr.split("/");
    const size = 2 ** (32 - Number(bits));
    this.#id = id;
    this.#first = numberOf(base) + 4;
    this.#size = Math.max(0, size - 5);
  }

  #free(address: number): boolean {
    const taken = this.#taken.get(address);
    if (taken?.()) return false;
    this.#taken.delete(address);
    return true;
  }

  /** How many are free now. */
  get free(): number {
    for (const address of this.#taken.keys()) this.#free(address);
    return this.#size - this.#taken.size;
  }

  /** Takes an address, a given one or the next, for as long as `isTaken` says so. */
  take(isTaken: () => boolean, wanted?: string): string {
    if (wanted !== undefined) {
      const address = numberOf(wanted);
      if (!(address >= this.#first && address < this.#first + this.#size)) {
        throw new Ec2Error(
          "InvalidParameterValue",
          `Address ${wanted} does not fall within the subnet's address range`,
        );
      }
      if (!this.#free(address)) throw new Ec2Error("InvalidIPAddress.InUse", `Address ${wanted} is in use.`);
      this.#taken.set(address, isTaken);
      return wanted;
    }
    for (let tried = 0; tried < this.#size; tried++) {
      // Not the lowest free one: an address that was given back rests for as long as possible.
      const address = this.#first + ((this.#next + tried) % this.#size);
      if (!this.#free(address)) continue;
      this.#next = address - this.#first + 1;
      this.#taken.set(address, isTaken);
      return textOf(address);
    }
    throw this.exhausted();
  }

  exhausted(): Ec2Error {
    return new Ec2Error(
      "InsufficientFreeAddressesInSubnet",
      `There are not enough free addresses in subnet '${this.#id}' to satisfy the requested number of instances.`,
    );
  }
}
