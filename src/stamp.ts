/** What transformed files import. Not for people. */
export { stamp, stampFile, stampMethods } from "./closure/stamp.ts";
