import type { Rules } from "./state/rules.ts";

/** An endpoint that is broken in one way, and a conformance check that has to notice. */
export interface Mutant {
  readonly rules: Partial<Rules>;
  readonly noticedBy: string;
}

export const mutants: Readonly<Record<string, Mutant>> = {
  "signatures are not verified": {
    rules: { signatures: false },
    noticedBy: "a request signed with a wrong secret or by nobody is refused",
  },
  "bodies are not part of the signature": {
    rules: { digests: false },
    noticedBy: "a body that was changed on its way is refused",
  },
  "tokens of launches are forgotten": {
    rules: { tokens: false },
    noticedBy: "a launch that is sent again with its token gives the same instances and no second one",
  },
  "tokens of fleets are forgotten": {
    rules: { tokens: false },
    noticedBy: "a fleet that is asked for again with its token is the same one",
  },
  "tokens of versions are forgotten": {
    rules: { tokens: false },
    noticedBy: "a version that is made again with its token is the same one",
  },
  "a token's parameters may change": {
    rules: { tokenParameters: false },
    noticedBy: "a token with other parameters is refused, and launches nothing",
  },
  "unknown parameters are ignored": {
    rules: { unknownParameters: "ignored" },
    noticedBy: "an unknown parameter is refused by its name",
  },
  "missing parameters are ignored": {
    rules: { missingParameters: "ignored" },
    noticedBy: "a missing parameter is refused by its name",
  },
  "a dry run is a real one": {
    rules: { dryRun: false },
    noticedBy: "a dry run that would be done says so with 412, and does nothing",
  },
  "everybody may do everything": {
    rules: { permissions: false },
    noticedBy: "everybody may do what their policy says and nothing else",
  },
  "tags and profiles need no rights": {
    rules: { permissions: false },
    noticedBy: "tags and instance profiles of a launch need rights of their own",
  },
  "fleets launch for those who may not": {
    rules: { permissions: false },
    noticedBy: "somebody who may make fleets but no instances gets a fleet with errors only",
  },
  "requests are not throttled": {
    rules: { throttling: false },
    noticedBy: "launches are throttled by requests: five at once, then two a second",
  },
  "launches are not throttled by instances": {
    rules: { throttling: false },
    noticedBy: "launches are throttled by instances as well",
  },
  "there is always room": {
    rules: { capacity: false },
    noticedBy: "a type, zone and market without room is refused, and others are not",
  },
  "there is always room for fleets": {
    rules: { capacity: false },
    noticedBy: "a fleet takes the cheapest pool, and goes on to the next where there is no room",
  },
  "there is no quota": {
    rules: { quota: false },
    noticedBy: "a quota of virtual processors is kept, for each market by itself",
  },
  "new instances are listed at once": {
    rules: { lag: false },
    noticedBy: "a new instance is not listed at first, but can be terminated",
  },
  "new instances can be terminated at once": {
    rules: { lag: false },
    noticedBy: "a new instance can also be one that cannot be terminated yet",
  },
  "states are always new": {
    rules: { lag: false },
    noticedBy: "states that are shown can be old",
  },
  "filters are ignored": {
    rules: { filters: false },
    noticedBy: "filters let through what has one of their values in each of them",
  },
  "a list has one page": {
    rules: { paging: false },
    noticedBy: "a list in pages has every instance once",
  },
  "to terminate does nothing": {
    rules: { ends: () => false },
    noticedBy: "an instance goes from pending to running, and when it is told to end, to terminated",
  },
  "to terminate leaves an unlisted instance": {
    rules: { ends: () => false },
    noticedBy: "a new instance is not listed at first, but can be terminated",
  },
  "every shutdown terminates": {
    rules: { shutdownBehavior: false },
    noticedBy: "an instance that shuts itself down stops, or is terminated if that was wished",
  },
  "tags at a launch are forgotten": {
    rules: { tagsAtLaunch: false },
    noticedBy: "tags given at a launch are there with the first answer and on the volumes",
  },
  "tags of a fleet are forgotten": {
    rules: { tagsAtLaunch: false },
    noticedBy: "an instant fleet gives as many instances as asked for, with the template's data and the fleet's tags",
  },
  "user data may be of any size": {
    rules: { userDataLimit: Infinity },
    noticedBy: "user data is what was given, and no more than 16 KB of it",
  },
  "user data has to be shorter": {
    rules: { userDataLimit: 16_383 },
    noticedBy: "user data is what was given, and no more than 16 KB of it",
  },
  "user data of templates may be of any size": {
    rules: { userDataLimit: Infinity },
    noticedBy: "user data in a template has the same limit",
  },
  "a source of a version is ignored": {
    rules: { sourceVersion: false },
    noticedBy: "a version from a source has what it does not say itself from there, and one without has not",
  },
  "a template counts more than a launch": {
    rules: { templateOverrides: false },
    noticedBy: "a launch takes from a template what it does not say itself",
  },
  "known ids are terminated beside unknown ones": {
    rules: { terminatesAllOrNone: false },
    noticedBy: "one unknown id spoils a request to terminate, and nothing is terminated",
  },
  "ids are not looked at": {
    rules: { idSyntax: false },
    noticedBy: "a malformed id is told from an unknown one",
  },
  "the default version can be deleted": {
    rules: { keepsDefaultVersion: false },
    noticedBy: "versions are deleted, but neither the default one nor one that is not there",
  },
  "addresses are never given back": {
    rules: { releasesAddresses: false },
    noticedBy: "a subnet has as many addresses as it has, and gets back those of what is terminated",
  },
  "every spot price is enough": {
    rules: { spotPrices: false },
    noticedBy: "a spot price that is too low is refused",
  },
};
