import { cases } from "./cases/functions.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/functions.ts", import.meta.url));
