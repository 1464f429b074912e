import { cases } from "./cases/generators.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/generators.ts", import.meta.url));
