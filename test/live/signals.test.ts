import { cases } from "./cases/signals.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/signals.ts", import.meta.url));
