/** A trace's events as a tree: what caused what. */

import { type Fields, fieldsOf, type LoggedEvent } from "../../api/events.ts";

export interface Node {
  event: LoggedEvent;
  children: Node[];
}

/**
 * Put each event under the one that its `parent_id` names: an event's id, the id that its sender
 * gave it, or its span. Whose parent is not among them is a root; so is the first of a circle.
 */
export function causalTree(events: readonly LoggedEvent[]): Node[] {
  const nodes = events.map((event) => ({ event, children: [] as Node[], fields: fieldsOf(event) }));
  const byName = new Map<string, Node>();
  for (const node of nodes) {
    for (const name of ["id", "source_id", "span_id"]) {
      const value = node.fields[name];
      if (typeof value === "string" && !byName.has(value)) byName.set(value, node);
    }
  }
  const parents = new Map<Node, Node>();
  const roots: Node[] = [];
  for (const node of nodes) {
    const parent = parentOf(node.fields, byName);
    if (parent === undefined || parent === node || leadsTo(parent, node, parents)) {
      roots.push(node);
    } else {
      parents.set(node, parent);
      parent.children.push(node);
    }
  }
  return roots;
}

function parentOf(fields: Fields, byName: Map<string, Node>): Node | undefined {
  const name = fields.parent_id;
  return typeof name === "string" ? byName.get(name) : undefined;
}

function leadsTo(from: Node, to: Node, parents: Map<Node, Node>): boolean {
  for (let at: Node | undefined = from; at !== undefined; at = parents.get(at)) {
    if (at === to) return true;
  }
  return false;
}
