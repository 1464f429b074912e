import { cases } from "./cases/nested.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/nested.ts", import.meta.url));
