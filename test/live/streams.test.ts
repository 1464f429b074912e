import { cases } from "./cases/streams.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/streams.ts", import.meta.url));
