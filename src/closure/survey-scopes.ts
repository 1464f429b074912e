/** Declarations, and the scopes that blocks, loops and functions open. */

import type { ArrowFunctionExpression, Function as FunctionNode, Node, VariableDeclaration } from "oxc-parser";
import { initializersOf } from "./initializer.ts";
import { Scope, type Binding, type BindingKind, type Unit } from "./scope.ts";
import type { Frame, Handlers, Survey } from "./survey.ts";
import { isPackage, target } from "./survey-names.ts";
import { unwrap } from "./syntax.ts";

type Declare = (name: string, at: number) => Binding | null;

/** Declares the names of a binding pattern and visits the code in it. */
export function bindPattern(survey: Survey, pattern: Node, declare: Declare): void {
  if ("decorators" in pattern && pattern.decorators)
    for (const decorator of pattern.decorators) survey.visit(decorator);
  switch (pattern.type) {
    case "Identifier":
      if (pattern.name !== "this") declare(pattern.name, pattern.start);
      return;
    case "ObjectPattern":
      for (const property of pattern.properties) {
        if (property.type === "RestElement") bindPattern(survey, property, declare);
        else {
          if (property.computed) survey.visit(property.key);
          bindPattern(survey, property.value, declare);
        }
      }
      return;
    case "ArrayPattern":
      for (const element of pattern.elements) if (element) bindPattern(survey, element, declare);
      return;
    case "AssignmentPattern":
      bindPattern(survey, pattern.left, declare);
      if (pattern.left.type === "Identifier") survey.infer(pattern.right, pattern.left.name);
      return survey.visit(pattern.right);
    case "RestElement":
      return bindPattern(survey, pattern.argument, declare);
    case "TSParameterProperty":
      survey.issue(
        "parameter-property",
        pattern.start,
        survey.code.slice(pattern.start, pattern.end).split(/\s/, 1)[0]!,
      );
      return bindPattern(survey, pattern.parameter, declare);
  }
}

/** `direct`: it stands in the statement list of its function, so that what follows it comes after it. */
export function declareVariables(survey: Survey, node: VariableDeclaration, direct: boolean, iterated = false): void {
  if (node.declare) return;
  const isVar = node.kind === "var";
  const kind: BindingKind = isVar ? "var" : node.kind === "const" ? "const" : "let";
  for (const declarator of node.declarations) {
    const scope = isVar ? survey.scope.variables : survey.scope;
    const certain = !isVar || direct || !declarator.init;
    const initialized = iterated || declarator.init !== null;
    const initializers = initializersOf(declarator, node.kind);
    bindPattern(survey, declarator.id, (name, at) => {
      const known = scope.names.has(name);
      const binding = scope.declare(kind, name, at, null, initialized, certain);
      const initializer = initializers?.get(name);
      if (initializer && !known && certain) {
        binding.initializer = initializer;
        survey.candidates.push(binding);
      }
      return binding;
    });
    if (!declarator.init) continue;
    if (declarator.id.type === "Identifier") {
      const { name } = declarator.id;
      survey.infer(declarator.init, name);
      const value = unwrap(declarator.init);
      const binding = scope.names.get(name);
      const isUnit = /^(ArrowFunction|Function|Class)Expression$/.test(value.type);
      if (isUnit && binding && binding.at === declarator.id.start && !node.kind.endsWith("using")) {
        survey.initialised.set(value, binding);
      }
    }
    survey.visit(declarator.init);
  }
}

function hasUseStrict(body: Node | null): boolean {
  if (body?.type !== "BlockStatement") return false;
  return body.body.some((statement) => "directive" in statement && statement.directive === "use strict");
}

/** What is in the function `node`, whose unit is open. `home` is where its `super` belongs. */
export function visitFunction(
  survey: Survey,
  node: FunctionNode | ArrowFunctionExpression,
  unit: Unit,
  home: Unit | null,
): void {
  const isArrow = node.type === "ArrowFunctionExpression";
  const immediate = survey.immediate.has(node);
  const changes: Partial<Frame> = {
    ...(isArrow ? {} : { self: unit, home }),
    early: immediate ? survey.frame.early : [],
    strict: survey.frame.strict || hasUseStrict(node.body),
  };
  survey.inUnit(unit, () =>
    survey.inFrame(changes, () => {
      let scope = survey.scope;
      if (node.type === "FunctionExpression" && node.id && unit.form === "expression") {
        scope = new Scope("name", scope, unit);
        scope.declare("own", node.id.name, node.id.start, unit);
      }
      const parameters = new Scope("parameters", scope, unit, isArrow ? null : unit);
      survey.within(parameters, () => {
        for (const parameter of node.params) {
          bindPattern(survey, parameter, (name, at) => parameters.declare("parameter", name, at));
        }
        const { body } = node;
        if (body?.type === "BlockStatement") {
          survey.within(new Scope("body", parameters, unit), () => survey.statements(body.body));
        } else survey.visit(body);
      });
    }),
  );
}

function declareFunction(survey: Survey, node: FunctionNode): void {
  if (node.declare || !node.body) return;
  const unit = survey.open(node, { kind: "function", form: "declaration", name: node.id?.name ?? "default" });
  unit.site.hoist = node.id ? survey.hoist : null;
  if (node.id) {
    const { name, start } = node.id;
    const { scope, frame } = survey;
    unit.binding = scope.declare("function", name, start, unit);
    const variables = scope.variables;
    // In sloppy code a function in a block also sets a variable of the function around it when the block runs.
    if (!frame.strict && variables !== scope && !variables.names.has(name)) {
      variables.declare("var", name, start, null, false, false);
    }
  }
  visitFunction(survey, node, unit, null);
}

function loop(survey: Survey, visit: () => void): void {
  survey.within(new Scope("block", survey.scope, survey.unit), visit);
}

/** The name in the head of `for (const x of x)` is in its scope already when the right side is evaluated. */
function iterate(survey: Survey, left: Node, right: Node, body: Node): void {
  loop(survey, () => {
    if (left.type === "VariableDeclaration") declareVariables(survey, left, false, true);
    else target(survey, left);
    survey.visit(right);
    survey.visit(body);
  });
}

function branch(survey: Survey, node: Node | null): void {
  if (node?.type !== "FunctionDeclaration") return survey.visit(node);
  const { hoist } = survey;
  survey.hoist = null;
  loop(survey, () => survey.visit(node));
  survey.hoist = hoist;
}

export const scopes: Handlers = {
  VariableDeclaration(survey, node) {
    survey.ends(node);
    const { scope } = survey;
    declareVariables(survey, node, survey.direct === node && scope === scope.variables);
  },
  FunctionDeclaration: declareFunction,
  FunctionExpression(survey, node) {
    const name = node.id?.name ?? survey.inferred.get(node) ?? "";
    visitFunction(survey, node, survey.open(node, { kind: "function", form: "expression", name }), null);
  },
  ArrowFunctionExpression(survey, node) {
    const unit = survey.open(node, { kind: "arrow", form: "expression", name: survey.inferred.get(node) ?? "" });
    visitFunction(survey, node, unit, null);
  },

  BlockStatement: (survey, node) => loop(survey, () => survey.statements(node.body)),
  IfStatement(survey, node) {
    survey.visit(node.test);
    branch(survey, node.consequent);
    branch(survey, node.alternate);
  },
  ForStatement: (survey, node) =>
    loop(survey, () => {
      if (node.init?.type === "VariableDeclaration") declareVariables(survey, node.init, false);
      else survey.visit(node.init);
      survey.visit(node.test);
      survey.visit(node.update);
      survey.visit(node.body);
    }),
  ForInStatement: (survey, node) => iterate(survey, node.left, node.right, node.body),
  ForOfStatement: (survey, node) => iterate(survey, node.left, node.right, node.body),
  SwitchStatement(survey, node) {
    survey.visit(node.discriminant);
    loop(survey, () => {
      const { hoist } = survey;
      const test = node.cases.find((each) => each.test)?.test;
      const first = node.cases[0]?.consequent[0];
      // Only the first test is evaluated whichever case is taken.
      const before = test ? ({ at: test.start, kind: "case" } as const) : null;
      const place = before ?? (first ? ({ at: first.start, kind: "statement" } as const) : null);
      for (const each of node.cases) {
        survey.visit(each.test);
        survey.hoist = place;
        for (const statement of each.consequent) survey.visit(statement);
        survey.hoist = hoist;
      }
    });
  },
  CatchClause: (survey, node) =>
    loop(survey, () => {
      const { scope } = survey;
      if (node.param) bindPattern(survey, node.param, (name, at) => scope.declare("parameter", name, at));
      survey.visit(node.body);
    }),

  ImportDeclaration(survey, node) {
    if (node.importKind === "type") return;
    const { value: specifier } = node.source;
    const values = node.specifiers.filter((each) => !("importKind" in each) || each.importKind !== "type");
    if (isPackage(specifier) && (node.specifiers.length === 0 || values.length > 0)) survey.usesPackage = true;
    const attributes = node.attributes.map((each) => survey.code.slice(each.start, each.end)).join(", ");
    const tail = `from ${JSON.stringify(specifier)}${attributes ? ` with { ${attributes} }` : ""};`;
    for (const each of values) {
      const { name: local, start: at } = each.local;
      let imported = "default";
      let clause = local;
      if (each.type === "ImportNamespaceSpecifier") [imported, clause] = ["*", `* as ${local}`];
      else if (each.type === "ImportSpecifier") {
        imported = each.imported.type === "Literal" ? each.imported.value : each.imported.name;
        const exported = survey.code.slice(each.imported.start, each.imported.end);
        clause = exported === local ? `{ ${local} }` : `{ ${exported} as ${local} }`;
      }
      const text = `import ${node.phase ? `${node.phase} ` : ""}${clause} ${tail}`;
      const binding = survey.scope.declare("import", local, at);
      survey.imports.push({ binding, info: { local, at, specifier, imported, text } });
    }
  },
  ExportNamedDeclaration(survey, node) {
    if (survey.direct === node) survey.direct = node.declaration;
    survey.visit(node.declaration);
  },
  ExportDefaultDeclaration(survey, node) {
    const { declaration } = node;
    if (declaration.type !== "FunctionDeclaration" && declaration.type !== "ClassDeclaration") survey.ends(node);
    survey.infer(declaration, "default");
    survey.visit(declaration);
  },
  ExportAllDeclaration: () => {},
};
