import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_View as View } from "../../gen/sessiond/v1/session_pb.js";
import type { ListSessionsRequest, SessionService } from "../../gen/sessiond/v1/session_service_pb.js";
import type { SessionManager } from "../app/session-manager.ts";
import { findSessions } from "../app/session-search.ts";
import { type HistorySource, statusHistory } from "../app/status-history.ts";
import type { WebhookLog } from "../app/webhook-log.ts";
import { statusOf } from "../domain/session.ts";
import type { Placement } from "../ports/cluster.ts";
import type { Sessions } from "../ports/sessions.ts";
import { type DrawQr, pngBody } from "./picture.ts";
import { etagOf, idempotencyKeyOf, ifMatchOf } from "./preconditions.ts";
import { configView, remoteUnlinkedOf, stillLinked, transitionView, type ViewOptions } from "./session-view.ts";
import { SessionViews } from "./session-views.ts";
import type { LogSource } from "./streams/live-stream.ts";
import { statusStream } from "./streams/status-stream.ts";
import type { Streams } from "./streams/streams.ts";

/** Dependencies of SessionService. */
export interface SessionServiceOptions extends ViewOptions {
  readonly manager: SessionManager;
  readonly sessions: Pick<Sessions, "list" | "get">;
  readonly log: LogSource & HistorySource["log"];
  readonly webhookLog: Pick<WebhookLog, "failingEndpoints">;
  readonly drawQr: DrawQr;
  readonly streams: Streams;
  /** Set if other nodes own sessions. */
  readonly nodes?: { readonly placement: Pick<Placement, "ownersOf"> } | undefined;
}

/** Statuses on a page of a history. */
const defaultHistorySize = 100;

/** Session of the calls that need a session and name none, as in WAHA. */
const defaultName = "default";

const noOwners: ReadonlyMap<string, string> = new Map();

/** Creates SessionService on top of a session manager. */
export function createSessionService(options: SessionServiceOptions): ServiceImpl<typeof SessionService> {
  const { manager, sessions, log, webhookLog, drawQr, streams } = options;
  const source = { sessions, log, itemContext: options };
  const views = new SessionViews(options);
  const ownersOf = async (names: readonly string[]): Promise<ReadonlyMap<string, string>> =>
    options.nodes ? options.nodes.placement.ownersOf(names) : noOwners;
  const view = async (record: SessionRecord) => {
    const { name } = record;
    const [failing, owners] = await Promise.all([webhookLog.failingEndpoints(name), ownersOf([name])]);
    return views.full(record, failing, owners.get(name));
  };
  const shown = async (record: SessionRecord) => ({ session: await view(record) });
  const tagged = (record: SessionRecord, { responseHeader }: HandlerContext) => {
    responseHeader.set("etag", etagOf(record.revision));
    return shown(record);
  };
  return {
    async listSessions(request, context) {
      const { items, nextPageToken, totalSize, seq } = await findSessions(sessions, request, request);
      const names = items.map(({ name }) => name);
      const [failing, owners] = await Promise.all([
        Promise.all(names.map((name) => webhookLog.failingEndpoints(name))),
        ownersOf(names),
      ]);
      const isSummary = request.view === View.SUMMARY;
      const shownSessions = items.map((record, index) => {
        const endpoints = failing[index] ?? [];
        const owner = owners.get(record.name);
        return isSummary ? views.summary(record, endpoints, owner) : views.full(record, endpoints, owner);
      });
      if (isSearch(request)) {
        context.responseHeader.set("total-size", String(totalSize));
        if (nextPageToken !== "") context.responseHeader.set("next-page-token", nextPageToken);
      }
      return { sessions: shownSessions, nextPageToken, totalSize, seq };
    },
    getSession: async ({ session }, context) => tagged(await manager.get(session), context),
    async createSession({ name, engine, config, start = true }, context) {
      const key = idempotencyKeyOf(context.requestHeader);
      const request = { name, engine, config, start, ...(key !== undefined && { idempotencyKey: key }) };
      const { record, replayed } = await manager.create(request);
      if (replayed) context.responseHeader.set("idempotency-replayed", "true");
      return tagged(record, context);
    },
    async updateSession({ session, config, expectedRevision }, context) {
      return tagged(
        await manager.update(session, config, expectedRevision ?? ifMatchOf(context.requestHeader)),
        context,
      );
    },
    async deleteSession({ session, expectedRevision }, context) {
      return stillLinked(await manager.delete(session, expectedRevision ?? ifMatchOf(context.requestHeader)));
    },
    startSession: async ({ session }) => shown(await manager.start(session)),
    stopSession: async ({ session }) => shown(await manager.stop(session)),
    restartSession: async ({ session }) => shown(await manager.restart(session)),
    async logoutSession({ session }) {
      const { record, outcome } = await manager.logout(session);
      return { session: { ...(await view(record)), remoteUnlinked: remoteUnlinkedOf(outcome) } };
    },
    restoreCredentials: async ({ session }) => shown(await manager.restoreCredentials(session)),
    async getMe({ session }) {
      const { me } = await view(await manager.get(session));
      return me ? { me } : {};
    },
    async listStatusHistory({ session, pageSize, pageToken }) {
      const page = { pageSize: pageSize || defaultHistorySize, pageToken };
      const { events, nextPageToken, isTrimmed } = await statusHistory({ sessions, log }, session, page);
      return { transitions: events.flatMap(transitionView), nextPageToken, trimmed: isTrimmed };
    },
    async getScreenshot({ session }, { signal }) {
      const shot = await manager.screenshot(session || defaultName, signal);
      return pngBody("png" in shot ? shot.png : await drawQr(shot.qr));
    },
    statusStream: (request, context) => statusStream(source, request, streams.optionsFor(context)),
    async startSessionDeprecated({ name, config }) {
      const record = await manager.startDeprecated(name || defaultName, config);
      return { name: record.name, status: statusOf(record), config: configView(record, options) };
    },
    async stopSessionDeprecated({ name, logout }) {
      return stillLinked(await manager.stopDeprecated(name || defaultName, logout));
    },
    async logoutSessionDeprecated({ name }) {
      return stillLinked(await manager.delete(name || defaultName));
    },
  };
}

/** Returns true if a request asks for more than WAHA's list. The answer then has headers with the size and the next page. */
const isSearch = ({ query, status, reason, engine, pageSize, pageToken, view }: ListSessionsRequest): boolean =>
  [query, pageToken].some((text) => text !== "") ||
  [status, reason, engine].some((list) => list.length > 0) ||
  pageSize > 0 ||
  view !== View.VIEW_UNSPECIFIED;
