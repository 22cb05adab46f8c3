import { timestampMs } from "@bufbuild/protobuf/wkt";
import { h, html } from "htm/preact";
import { useEffect } from "preact/hooks";
import type { Node, GetOverviewResponse as Overview } from "../../../gen/sessiond/v1/server_service_pb.js";
import { loginOptions } from "../api/access.ts";
import { serverClient } from "../api/clients.ts";
import { messageOf } from "../api/errors.ts";
import { formatBytes } from "../ui/bytes.ts";
import { LoadState } from "../ui/load-state.ts";
import { usePolled } from "../ui/polled.ts";
import { currentMs, formatDuration, formatTime } from "../ui/time.ts";
import { TimeAgo } from "../ui/time-ago.ts";
import { engineWords } from "../words.ts";
import { BackupButton } from "./backup-button.ts";
import { NodesPanel } from "./nodes-panel.ts";

const refreshMs = 3_000;

/** Facts about the server and its process. */
interface Facts {
  readonly overview: Overview;
  readonly defaultEngine: string;
  readonly browser: string;
  readonly worker: string;
  readonly nodes: readonly Node[];
  /** "" if the store takes writes, else why it does not. */
  readonly storeFault: string;
}

async function loadFacts(signal: AbortSignal): Promise<Facts> {
  const [overview, version, status, { nodes }, storeFault] = await Promise.all([
    serverClient.getOverview({}, { signal }),
    serverClient.getVersion({}, { signal }),
    serverClient.getServerStatus({}, { signal }),
    serverClient.listNodes({}, { signal }),
    serverClient.checkHealth({}, { signal }).then(() => "", messageOf),
  ]);
  return {
    overview,
    defaultEngine: version.engine,
    browser: version.browser ?? "",
    worker: status.worker?.id ?? "",
    nodes,
    storeFault,
  };
}

/** The server: its version, nodes, engines, memory, store and backups. */
export const ServerView = () => {
  useEffect(() => {
    document.title = "Server · sessiond";
  }, []);
  const polled = usePolled<Facts>("", { load: loadFacts, everyMs: () => refreshMs });
  const facts = polled.value.value;
  return html`
    <main class="page">
      <h1>Server</h1>
      ${h(LoadState, { polled, label: "the state of the server" })}
      ${
        facts &&
        html`<div class="panels">
          ${h(ProcessPanel, { facts })} ${h(NodesPanel, { nodes: facts.nodes })} ${h(EnginePanel, { facts })}
          ${h(StorePanel, { facts, onBackup: polled.refresh })}
        </div>`
      }
    </main>
  `;
};

const ProcessPanel = ({ facts: { overview, worker } }: { facts: Facts }) => {
  const { version, startedAt, memory, openStreams } = overview;
  const startedMs = startedAt ? timestampMs(startedAt) : 0;
  return html`
    <section class="panel" aria-labelledby="process-title">
      <h2 id="process-title">Process</h2>
      <dl class="facts">
        <dt>Version</dt><dd>${version}</dd>
        ${worker && html`<dt>Worker</dt><dd>${worker}</dd>`}
        <dt>Started</dt><dd>${formatTime(startedMs)}</dd>
        <dt>Uptime</dt><dd>${formatDuration(currentMs.value - startedMs)}</dd>
        <dt>Memory</dt><dd>${formatBytes(memory?.rssBytes ?? 0)}, of it ${formatBytes(memory?.heapUsedBytes ?? 0)} objects</dd>
        <dt>Open streams</dt><dd>${openStreams}</dd>
      </dl>
    </section>
  `;
};

const EnginePanel = ({ facts: { overview, defaultEngine, browser } }: { facts: Facts }) => html`
  <section class="panel" aria-labelledby="engines-title">
    <h2 id="engines-title">Engines</h2>
    <table class="plain">
      <thead><tr><th scope="col">Engine</th><th scope="col">Sessions</th><th scope="col">Client version</th></tr></thead>
      <tbody>
        ${overview.engines.map(
          ({ engine, sessions, clientVersion }) => html`<tr>
            <td>${engineWords[engine]}${engineWords[engine] === defaultEngine && " (default)"}</td>
            <td><a href=${`#/sessions?engine=${engineWords[engine]}`}>${sessions}</a></td>
            <td>${clientVersion || "–"}</td>
          </tr>`,
        )}
      </tbody>
    </table>
    <dl class="facts">
      ${browser && html`<dt>Browser</dt><dd>${browser}</dd>`}
      <dt>Waiting to connect</dt><dd>${overview.connectQueue}</dd>
      <dt>Devices to unlink</dt><dd>${overview.pendingUnlinks}</dd>
    </dl>
  </section>
`;

const StorePanel = ({ facts: { overview, storeFault }, onBackup }: { facts: Facts; onBackup: () => void }) => {
  const { lastBackup } = overview;
  return html`
    <section class="panel" aria-labelledby="store-title">
      <h2 id="store-title">Store</h2>
      <dl class="facts">
        <dt>State</dt><dd><span role="status">${storeFault === "" ? "● Takes writes" : html`<span class="fault">▲ ${storeFault}</span>`}</span></dd>
        <dt>Latest backup</dt>
        <dd>${lastBackup ? html`${h(TimeAgo, { time: lastBackup.time })}<div class="path">${lastBackup.directory}</div>` : "None"}</dd>
      </dl>
      ${!loginOptions.value.readonly && h(BackupButton, { onBackup })}
    </section>
  `;
};
