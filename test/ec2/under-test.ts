/** ec2() on the bench for the suite, by what its environment says; other processes load this module to be its parents. */
import { ec2, type Ec2Options } from "../../src/ec2.ts";
import type { BackendUnderTest } from "../../src/testing.ts";
import { closing } from "../harness/closing.ts";

export const optionsName = "TEST_EC2_OPTIONS";

export function make(): BackendUnderTest {
  const options = JSON.parse(process.env[optionsName]!) as Ec2Options;
  return {
    backend: ec2(options),
    impossible: { backend: closing(ec2({ ...options, subnets: ["subnet-00000000000000000"] })), permanent: true },
  };
}
