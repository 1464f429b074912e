import type { Instance } from "./instance.ts";

/**
 * The decisions that make this endpoint strict, each by itself, so that a test can take one away and see that the
 * conformance checks notice. Nobody but the mutants replaces one.
 */
export interface Rules {
  readonly signatures: boolean;
  /** Whether a body has to be the one that was signed. */
  readonly digests: boolean;
  /** Whether a client token is remembered. */
  readonly tokens: boolean;
  /** Whether a token's parameters have to be the same again. */
  readonly tokenParameters: boolean;
  readonly unknownParameters: "refused" | "ignored";
  readonly missingParameters: "refused" | "ignored";
  readonly dryRun: boolean;
  readonly permissions: boolean;
  readonly throttling: boolean;
  readonly capacity: boolean;
  readonly quota: boolean;
  /** Whether a lag of listings is kept. */
  readonly lag: boolean;
  readonly filters: boolean;
  readonly paging: boolean;
  /** Whether an instance that is told to end does so. */
  ends(instance: Instance): boolean;
  readonly shutdownBehavior: boolean;
  readonly tagsAtLaunch: boolean;
  readonly userDataLimit: number;
  readonly sourceVersion: boolean;
  readonly templateOverrides: boolean;
  /** Whether one unknown id spoils a whole request to terminate. */
  readonly terminatesAllOrNone: boolean;
  readonly idSyntax: boolean;
  /** Whether a default version of a template is kept from deletion. */
  readonly keepsDefaultVersion: boolean;
  readonly releasesAddresses: boolean;
  readonly spotPrices: boolean;
}

export const strict: Rules = {
  signatures: true,
  digests: true,
  tokens: true,
  tokenParameters: true,
  unknownParameters: "refused",
  missingParameters: "refused",
  dryRun: true,
  permissions: true,
  throttling: true,
  capacity: true,
  quota: true,
  lag: true,
  filters: true,
  paging: true,
  ends: () => true,
  shutdownBehavior: true,
  tagsAtLaunch: true,
  userDataLimit: 16_384,
  sourceVersion: true,
  templateOverrides: true,
  terminatesAllOrNone: true,
  idSyntax: true,
  keepsDefaultVersion: true,
  releasesAddresses: true,
  spotPrices: true,
};
