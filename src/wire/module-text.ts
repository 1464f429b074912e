/** The code of a unit, as a runner needs it. */
import { ProtocolError } from "../errors.ts";
import type { Of } from "./shape.ts";

/** What a runner needs to make unit `id`. */
export interface ModuleText {
  readonly url: string;
  readonly hash: string;
  readonly format: "module" | "commonjs";
  readonly source: string;
  /** Declaration path, part of a class's identity. */
  readonly path: string;
  /** Evaluated once per runner. */
  readonly single: boolean;
  readonly early: readonly string[];
  readonly late: readonly string[];
  /** Names bound to other units that need no captured value. */
  readonly links: readonly { readonly name: string; readonly unit: number; readonly early: boolean }[];
  /** What the unit's file imports besides: classes by which instances can be named, where they are loaded anyway. */
  readonly siblings: readonly { readonly local: string; readonly specifier: string; readonly imported: string }[];
  /** An import made by itself: the module's default export is the binding. */
  readonly binding: boolean;
}

export const moduleShape = {
  url: "string",
  hash: "string",
  format: "string",
  source: "string",
  path: "string",
  single: "boolean",
  early: ["string"],
  late: ["string"],
  links: [{ name: "string", unit: "count", early: "boolean" }],
  siblings: [{ local: "string", specifier: "string", imported: "string" }],
  binding: "boolean",
} as const;

export function checkModule(module: Of<typeof moduleShape>): ModuleText {
  const { format } = module;
  if (format !== "module" && format !== "commonjs") throw new ProtocolError("Cannot read module: format is wrong");
  return { ...module, format };
}
