/** The calls that a dry run is asked about, from what was typed. */

import { pretty } from "../../ui/text.ts";

/** One call, as the form has it; "": not given. */
export interface Form {
  tool: string;
  agent: string;
  command: string;
  path: string;
  params: string;
  expect: string;
}

export const NO_CALL: Form = { tool: "", agent: "", command: "", path: "", params: "", expect: "" };

/** The call that a form describes. Throws Error, with what to do, if its params are no object. */
export function callOf(form: Form): Record<string, unknown> {
  const params = {
    ...(form.params.trim() ? objectOf(form.params) : {}),
    ...(form.command ? { command: form.command } : {}),
    ...(form.path ? { path: form.path } : {}),
  };
  return {
    tool: form.tool,
    ...(form.agent ? { agent: form.agent } : {}),
    ...(Object.keys(params).length > 0 ? { params } : {}),
    ...(form.expect ? { expect: form.expect } : {}),
  };
}

/** The calls of a JSON list, or of one call. Throws Error, with what to do. */
export function callsOf(text: string): unknown[] {
  const read = parsed(text, "The calls are no JSON");
  return Array.isArray(read) ? read : [read];
}

export const listText = (form: Form) => pretty([callOf(form)]);

function objectOf(text: string): Record<string, unknown> {
  const read = parsed(text, "The parameters are no JSON");
  if (typeof read !== "object" || read === null || Array.isArray(read)) {
    throw new Error('The parameters are an object, as in {"force": true}.');
  }
  return read as Record<string, unknown>;
}

function parsed(text: string, otherwise: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${otherwise}: ${error instanceof Error ? error.message : error}`);
  }
}
