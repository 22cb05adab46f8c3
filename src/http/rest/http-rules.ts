import {
  type DescField,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  getOption,
  hasOption,
} from "@bufbuild/protobuf";
import { http } from "../../../gen/google/api/annotations_pb.js";
import type { HttpRule } from "../../../gen/google/api/http_pb.js";
import { resolveFieldPath } from "./fields.ts";
import { type PathTemplate, parsePathTemplate, type TemplateVariable } from "./path-template.ts";

/** A REST route of an RPC: a google.api.http rule or one of its additional bindings, validated and resolved. */
export interface HttpBinding {
  readonly rpc: DescMethodUnary | DescMethodServerStreaming;
  /** HTTP method in upper case; "*" for any. */
  readonly httpMethod: string;
  /** Path template as written. */
  readonly path: string;
  readonly template: PathTemplate;
  readonly variables: readonly { variable: TemplateVariable; fields: readonly DescField[] }[];
  /** Part of the request message that the body fills; undefined if there is no body. */
  readonly body: "message" | DescField | undefined;
  /** Field that is the response's body; undefined for the whole message. */
  readonly responseField: DescField | undefined;
}

/** Returns the bindings of all annotated RPCs, in order. Throws an Error that names the RPC if an annotation is invalid. */
export function readHttpBindings(services: readonly DescService[]): HttpBinding[] {
  return services.flatMap((service) => service.methods).flatMap(readBindings);
}

/** Returns an RPC's full name for error messages. */
export function rpcName(rpc: DescMethod): string {
  return `${rpc.parent.typeName}.${rpc.name}`;
}

function readBindings(rpc: DescMethod): HttpBinding[] {
  if (!hasOption(rpc, http)) return [];
  const rule = getOption(rpc, http);
  try {
    if (!takesOneRequest(rpc)) throw new Error("a stream of requests cannot be called by REST");
    if (rule.additionalBindings.some((binding) => binding.additionalBindings.length > 0)) {
      throw new Error("additional_bindings within additional_bindings");
    }
    return [rule, ...rule.additionalBindings].map((one) => toBinding(rpc, one));
  } catch (error) {
    throw new Error(`google.api.http of ${rpcName(rpc)}: ${error instanceof Error ? error.message : error}`);
  }
}

function takesOneRequest(rpc: DescMethod): rpc is DescMethodUnary | DescMethodServerStreaming {
  return rpc.methodKind === "unary" || rpc.methodKind === "server_streaming";
}

function toBinding(rpc: DescMethodUnary | DescMethodServerStreaming, rule: HttpRule): HttpBinding {
  const { httpMethod, path } = readPattern(rule);
  if (rule.body !== "" && (httpMethod === "GET" || httpMethod === "HEAD"))
    throw new Error(`${httpMethod} takes no body`);
  const template = parsePathTemplate(path);
  const names = template.variables.map((variable) => variable.fieldPath);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new Error(`the variable "${repeated}" is twice in "${path}"`);
  const variables = template.variables.map((variable) => {
    const fields = resolveFieldPath(rpc.input, variable.fieldPath);
    const last = fields.at(-1);
    if (last?.fieldKind !== "scalar" && last?.fieldKind !== "enum") {
      throw new Error(`the variable "${variable.fieldPath}" of "${path}" is not one scalar or enum`);
    }
    return { variable, fields };
  });
  return {
    rpc,
    httpMethod,
    path,
    template,
    variables,
    body: rule.body === "*" ? "message" : topLevelField(rpc.input.fields, rule.body, "body"),
    responseField: topLevelField(rpc.output.fields, rule.responseBody, "response_body"),
  };
}

function readPattern({ pattern }: HttpRule): { httpMethod: string; path: string } {
  if (pattern.case === undefined) throw new Error("no path");
  if (pattern.case !== "custom") return { httpMethod: pattern.case.toUpperCase(), path: pattern.value };
  if (pattern.value.kind === "") throw new Error("a custom pattern without a kind");
  return { httpMethod: pattern.value.kind.toUpperCase(), path: pattern.value.path };
}

function topLevelField(fields: readonly DescField[], name: string, option: string): DescField | undefined {
  if (name === "") return undefined;
  const field = fields.find((one) => one.name === name);
  if (field === undefined) throw new Error(`${option}: no field "${name}"`);
  return field;
}
