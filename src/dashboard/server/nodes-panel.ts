import { html } from "htm/preact";
import type { Node } from "../../../gen/sessiond/v1/server_service_pb.js";
import { nodeStateWords } from "../words.ts";

/** The nodes that share the store, with their state and load. */
export const NodesPanel = ({ nodes }: { nodes: readonly Node[] }) => html`
  <section class="panel" aria-labelledby="nodes-title">
    <h2 id="nodes-title">Nodes</h2>
    <table class="plain">
      <thead>
        <tr><th scope="col">Node</th><th scope="col">State</th><th scope="col">Load</th><th scope="col">Version</th></tr>
      </thead>
      <tbody>
        ${nodes.map(
          (node) => html`<tr>
            <td>${node.name}${node.self && " (this node)"}${node.url && html`<div class="path">${node.url}</div>`}</td>
            <td class="brief">${stateOf(node)}</td>
            <td>${loadOf(node)}</td>
            <td class="brief">${node.version || "–"}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>
`;

function stateOf({ alive, draining }: Node) {
  const { label, shape } = nodeStateWords[alive ? (draining ? "draining" : "alive") : "silent"];
  const text = `${shape} ${label}`;
  return alive ? text : html`<span class="fault">${text}</span>`;
}

const loadOf = ({ load, capacity }: Node): string =>
  load === undefined || capacity === undefined ? "–" : `${load} of ${capacity}`;
