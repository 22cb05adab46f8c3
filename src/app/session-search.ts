import type { SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { type Page, type PageRequest, pageOf } from "../domain/page-token.ts";
import { normalizeFilter, type SessionFilter, sessionMatcher } from "../domain/session-filter.ts";
import type { Sessions } from "../ports/sessions.ts";

/** A page of the sessions that match a filter, sorted by name. */
export interface FoundSessions extends Page<SessionRecord> {
  /** Number of sessions that match, over all pages. */
  readonly totalSize: number;
  /** Position in the log up to which the page is true. */
  readonly seq: bigint;
}

/** Searches all sessions. Throws INVALID_ARGUMENT for a token that does not belong to the filter. */
export async function findSessions(
  sessions: Pick<Sessions, "list">,
  filter: SessionFilter,
  page: PageRequest,
): Promise<FoundSessions> {
  const { records, seq } = await sessions.list();
  const found = records.filter(sessionMatcher(filter));
  return { ...pageOf(found, ({ name }) => name, page, normalizeFilter(filter)), totalSize: found.length, seq };
}
