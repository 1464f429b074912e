import { cases } from "./cases/endings.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/endings.ts", import.meta.url));
