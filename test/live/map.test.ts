import { cases } from "./cases/map.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/map.ts", import.meta.url));
