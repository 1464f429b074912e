/** Standard Schema (https://standardschema.dev), as zod, valibot, arktype and others implement it: what a stored value has to be. */
import { StoreDataError } from "../errors.ts";

/** The part of the standard that is used here. */
export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Result<Output> | Promise<Result<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

type Result<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** @throws TypeError when it is no such schema. */
export function resolveSchema(schema: unknown, owner: string): StandardSchema | undefined {
  if (schema === undefined) return undefined;
  const standard = (schema as Partial<StandardSchema> | null)?.["~standard"];
  if (standard?.version === 1 && typeof standard.validate === "function") return schema as StandardSchema;
  throw new TypeError(
    `Cannot use the schema of ${owner}: it is no Standard Schema; zod, valibot and arktype make such`,
  );
}

/** What the schema makes of the value. Throws StoreDataError with its issues when it refuses it. */
export async function validated(
  schema: StandardSchema | undefined,
  value: unknown,
  what: string,
  facts: { readonly store: string; readonly key: string },
): Promise<unknown> {
  if (!schema) return value;
  const result = await schema["~standard"].validate(value);
  if (!result.issues) return result.value;
  const issues = result.issues.map(plainIssue).map(({ message, path }) => ({ message, path: path.join(".") }));
  // Only what the schema says: its messages are made for people, the value may be secret.
  const [first] = issues;
  throw new StoreDataError(
    `Cannot ${what}: its schema refuses it (${first?.path ? `${first.path}: ` : ""}${first?.message ?? "no reason given"})`,
    { ...facts, issues },
  );
}

/** What a schema says, as data: it may say it on another machine. */
export function plainIssue({ message, path }: Issue): { readonly message: string; readonly path: readonly string[] } {
  return { message, path: (path ?? []).map((step) => String(typeof step === "object" ? step.key : step)) };
}
