import type { Account } from "../state/account.ts";
import type { Lifecycle } from "../state/lifecycle.ts";
import { type Operation, operationOf } from "../wire/model.ts";

/** What an action works with. */
export interface Call {
  readonly account: Account;
  readonly lifecycle: Lifecycle;
  /** Whose request it is: an ARN. */
  readonly caller: string;
  /** Whether the caller may do something that this action does on the way, such as `ec2:CreateTags`. */
  may(action: string): boolean;
  /** Throws UnauthorizedOperation unless the caller may. */
  require(action: string): void;
}

/** One action of EC2, synchronous: between its look and its deed nobody comes. */
export interface Action {
  readonly operation: Operation;
  run(input: unknown, call: Call): unknown;
}

/** Ties an action to the SDK's schema of it. `input` has been checked against that; the result will be. */
export function action<Input, Output>(schema: unknown, run: (input: Input, call: Call) => Output): Action {
  return { operation: operationOf(schema), run: (input, call) => run(input as Input, call) };
}
