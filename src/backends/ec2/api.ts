/**
 * What is asked of EC2, in our words. Each method is one request, repeated only where it says that nothing was done or where its token
 * makes that safe; it ends in bounded time, and throws `Ec2Error`.
 */

/** "spot" may be taken back by its market at two minutes' notice. */
export type Market = "spot" | "on-demand";

/** A kind of machine at a place: what there may be no capacity of. */
export interface Offer {
  readonly type: string;
  readonly subnet: string;
  readonly zone: string;
}

/** What all instances of one request have in common; made for it, and removed after it. */
export interface Template {
  readonly id: string;
  readonly version: string;
  /** It was made as a whole, not as one more version of somebody else's. */
  readonly whole: boolean;
  /** Whose it is, as far as EC2 says: the number of the account. */
  readonly account: string | undefined;
}

/** By which what was made for a request is found again: the name of a template, or the description of a version of one. */
export const templateName = (token: string): string => `tinderbox-${token}`;

export interface TemplateOrder {
  /** Repeating with the same token makes nothing twice. */
  readonly token: string;
  readonly name: string;
  readonly userData: string;
  readonly tags: Tags;
}

export type Tags = Readonly<Record<string, string>>;

export interface FleetOrder {
  readonly token: string;
  readonly template: Template;
  readonly count: number;
  readonly market: Market;
  readonly offers: readonly Offer[];
  readonly tags: Tags;
}

export interface FleetOutcome {
  readonly instances: readonly { readonly id: string; readonly type: string }[];
  /** Why there are not more. */
  readonly refusals: readonly { readonly code: string; readonly message: string; readonly offer: Offer | undefined }[];
}

export type InstanceState = "pending" | "running" | "shutting-down" | "terminated" | "stopping" | "stopped";

export interface InstanceFacts {
  readonly id: string;
  readonly state: InstanceState;
  readonly launchedAt: number;
  readonly address: string | undefined;
  /** Why it is not running any more, in EC2's words. */
  readonly reason: string | undefined;
  readonly tags: Tags;
}

export interface TypeFacts {
  readonly type: string;
  readonly vcpus: number;
  /** As Node names them: x64, arm64. */
  readonly architectures: readonly string[];
}

export interface Ec2Api {
  /** Of the user's, to which versions are added; undefined where templates are made as a whole. */
  readonly template: string | undefined;
  makeTemplate(order: TemplateOrder): Promise<Template>;
  /** Also when it is gone already. */
  removeTemplate(template: Template): Promise<void>;
  /** What was made for requests with these tokens and is still there: versions of that template, or whole ones where it is undefined. */
  removeTemplatesOf(template: string | undefined, tokens: readonly string[]): Promise<void>;
  launch(order: FleetOrder): Promise<FleetOutcome>;
  /** Those of them that are known; one that was just launched may not be yet. */
  describe(ids: readonly string[]): Promise<readonly InstanceFacts[]>;
  /** All that carry the tag and are not terminated. */
  tagged(tag: string): Promise<readonly InstanceFacts[]>;
  /** By id, the states that they have now; those that are unknown are left out. */
  terminate(ids: readonly string[]): Promise<ReadonlyMap<string, InstanceState>>;
  console(id: string): Promise<string>;
  subnets(ids: readonly string[]): Promise<readonly { readonly id: string; readonly zone: string }[]>;
  /** Those of them that the region has. */
  types(names: readonly string[]): Promise<readonly TypeFacts[]>;
  /** How many requests were made, and how many of their attempts were refused or lost. */
  readonly stats: { readonly requests: number; readonly again: number };
  /** Where all of this is, as it was said or as the SDK has found it. */
  region(): Promise<string>;
  close(): void;
}
