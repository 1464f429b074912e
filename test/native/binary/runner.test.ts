import { inAllModes } from "../../live/modes.ts";
import { cases } from "./cases/runner.ts";

inAllModes(cases, new URL("./cases/runner.ts", import.meta.url));
