import type { Case } from "../case.ts";
import { bindings } from "./bindings.ts";
import { classes } from "./classes.ts";
import { functions } from "./functions.ts";
import { modules } from "./modules.ts";
import { refused } from "./refused.ts";
import { shadowing } from "./shadowing.ts";
import { state } from "./state.ts";
import { syntax } from "./syntax.ts";
import { types } from "./types.ts";
import { values } from "./values.ts";

/** What travels, and what is refused. */
export const cases: readonly Case[] = [...refused, ...bindings, ...shadowing, ...functions, ...classes, ...syntax, ...modules, ...types, ...values, ...state];
