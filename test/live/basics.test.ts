import { cases } from "./cases/basics.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/basics.ts", import.meta.url));
