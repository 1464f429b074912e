/** TypeScript's declarations that leave something at run time, none of which can merely be erased. */

import type { Node } from "oxc-parser";
import { Scope } from "./scope.ts";
import type { Handlers } from "./survey.ts";
import { namesPackage } from "./survey-names.ts";

const typesOnly = new Set(["TSInterfaceDeclaration", "TSTypeAliasDeclaration", "TSDeclareFunction", "EmptyStatement"]);

/** Whether a namespace has anything besides types. */
function hasValues(body: Node | null): boolean {
  if (body?.type !== "TSModuleBlock") return false;
  return body.body.some((statement) => {
    const inner = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
    if (!inner) return statement.type === "ExportNamedDeclaration" && statement.exportKind !== "type";
    if (typesOnly.has(inner.type) || ("declare" in inner && inner.declare)) return false;
    return inner.type !== "TSModuleDeclaration" || hasValues(inner.body);
  });
}

export const typescript: Handlers = {
  TSEnumDeclaration(survey, node) {
    if (node.declare) return;
    survey.scope.declare("enum", node.id.name, node.id.start);
    survey.issue("enum", node.id.start, node.id.name);
    survey.within(new Scope("enum", survey.scope, survey.unit), () => {
      for (const { id } of node.body.members) {
        if (id.type === "Identifier") survey.scope.declare("const", id.name, id.start);
        else if (id.type === "Literal") survey.scope.declare("const", id.value, id.start);
      }
      for (const { initializer } of node.body.members) survey.visit(initializer);
    });
  },
  TSModuleDeclaration(survey, node) {
    if (node.declare || node.global || node.id.type === "Literal" || !hasValues(node.body)) return;
    let id: Node = node.id;
    while (id.type === "TSQualifiedName") id = id.left;
    if (id.type !== "Identifier") return;
    const known = survey.scope.names.get(id.name);
    // A namespace may extend a function or class of the same name, which then is more than its text.
    if (known) known.kind = "namespace";
    else survey.scope.declare("namespace", id.name, id.start);
    const { body } = node;
    survey.issue("namespace", id.start, id.name);
    if (body?.type === "TSModuleBlock") {
      survey.within(new Scope("body", survey.scope, survey.unit), () => survey.statements(body.body));
    }
  },
  TSImportEqualsDeclaration(survey, node) {
    if (node.importKind === "type") return;
    survey.scope.declare("alias", node.id.name, node.id.start);
    if (node.moduleReference.type === "TSExternalModuleReference" && namesPackage(node.moduleReference.expression)) {
      survey.usesPackage = true;
    }
  },
  TSExportAssignment(survey, node) {
    survey.ends(node);
    survey.visit(node.expression);
  },
};
