import { cases } from "./cases/context.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/context.ts", import.meta.url));
