/** container() for the suite, by what its environment says; other processes load this module to be its parents. */
import { container, type ContainerOptions } from "../../../src/container.ts";
import type { BackendUnderTest } from "../../../src/testing.ts";
import { closing } from "../../harness/closing.ts";

export const optionsName = "TEST_CONTAINER_OPTIONS";

export function make(): BackendUnderTest {
  const options = JSON.parse(process.env[optionsName]!) as ContainerOptions;
  const backend = closing(container({ ...options, network: "no-such-network" }));
  return { backend: container(options), impossible: { backend, permanent: true } };
}
