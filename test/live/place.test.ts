import { cases } from "./cases/place.ts";
import { inAllModes } from "./modes.ts";

inAllModes(cases, new URL("./cases/place.ts", import.meta.url));
