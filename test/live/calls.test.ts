import { cases } from "./cases/calls.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/calls.ts", import.meta.url));
