import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type PairingLink, SessionRecord_Phase as Phase } from "../../gen/sessiond/store/v1/store_pb.js";
import { SessionError } from "./errors.ts";
import type { SessionInput } from "./session-input.ts";
import { isLeaving, type SessionState } from "./session-state.ts";
import { type Transition, to } from "./session-transition.ts";

type LinkInput = Extract<SessionInput, { type: "link_added" | "link_revoked" }>;

/** Limit of a session's open links. */
const maxLinks = 10;

/** Returns true if a phone is linked to the session, as far as is known. */
const isPaired = ({ me, credentialsDead }: SessionState): boolean => me !== undefined && !credentialsDead;

/** Returns the links of a session that have not expired. */
export const openLinks = ({ pairingLinks }: SessionState, nowMs: number): PairingLink[] =>
  pairingLinks.filter(({ expiresAt }) => expiresAt !== undefined && timestampMs(expiresAt) > nowMs);

/** Throws if a session can have no further link. */
export function requireRoomForLink(state: SessionState, nowMs: number): void {
  const { name: session } = state;
  if (isPaired(state) || isLeaving(state)) {
    const message = `Session '${session}' is paired with a phone: log it out before you make a pairing link`;
    throw new SessionError("SESSION_PAIRED", message, { session });
  }
  if (openLinks(state, nowMs).length < maxLinks) return;
  const message = `Session '${session}' has ${maxLinks} open pairing links: revoke one of them first`;
  throw new SessionError("TOO_MANY_PAIRING_LINKS", message, { session });
}

/** Adds a link and removes those that have expired, or revokes one. */
export function changeLinks(state: SessionState, input: LinkInput, nowMs: number): Transition {
  if (input.type === "link_added") return to({ ...state, pairingLinks: [...openLinks(state, nowMs), input.link] });
  const pairingLinks = state.pairingLinks.filter(({ id }) => id !== input.id);
  return pairingLinks.length === state.pairingLinks.length ? to(state) : to({ ...state, pairingLinks });
}

/** Returns true if all links of the session are used up: a phone is linked, or the session is about to be removed. */
export const endsLinks = (state: SessionState): boolean => isPaired(state) || state.phase === Phase.DELETING;

/** Returns the state without links that are used up. */
export const withoutUsedLinks = (state: SessionState): SessionState =>
  state.pairingLinks.length > 0 && endsLinks(state) ? { ...state, pairingLinks: [] } : state;
