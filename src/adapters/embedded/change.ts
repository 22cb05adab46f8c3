import { create } from "@bufbuild/protobuf";
import { type Delivery, DeliverySchema, type Endpoint } from "../../../gen/sessiond/store/v1/store_pb.js";
import type { Event } from "../../../gen/sessiond/v1/event_pb.js";
import { deliveryId } from "../../domain/delivery.ts";
import type { NewEvent } from "../../ports/outbox.ts";
import type { Commit } from "../../ports/sessions.ts";
import type { Endpoints } from "./endpoints.ts";

/** Additions of one commit or removal to the log, the queue and the endpoints. */
export interface Change {
  readonly events: Event[];
  readonly deliveries: readonly Delivery[];
  /** Endpoints to write. */
  readonly endpoints: readonly Endpoint[];
}

/** A commit's change, its events numbered after `seq`. Throws where it contradicts itself. */
export function changeBy(session: string, commit: Commit, endpoints: Endpoints, seq: bigint): Change {
  const { record, endpoints: named, isReconfigured = false } = commit;
  if (record.name !== session) throw new TypeError(`a record of "${record.name}" under a lease of "${session}"`);
  const open = (named ?? endpoints.of(session).filter((endpoint) => !endpoint.removed)).map(({ id }) => id);
  return {
    ...logged(session, commit.events, new Set(open), seq),
    endpoints: named ? endpoints.changesTo(session, named, isReconfigured) : [],
  };
}

/** Returns the change of a removal. Its last events still go to the endpoints that the session had. */
export function changeByRemoval(session: string, last: readonly NewEvent[], endpoints: Endpoints, seq: bigint): Change {
  const open = endpoints.of(session).filter((endpoint) => !endpoint.removed);
  return {
    ...logged(session, last, new Set(open.map(({ id }) => id)), seq),
    endpoints: endpoints.changesTo(session, []),
  };
}

/** Returns the change of events logged beside a session's changes. They go to the endpoints that still exist. */
export function changeByAppending(
  session: string,
  added: readonly NewEvent[],
  endpoints: Endpoints,
  seq: bigint,
): Change {
  const open = new Set(endpoints.of(session).flatMap(({ id, removed }) => (removed ? [] : [id])));
  const events = added.map(({ event, endpointIds }) => ({
    event,
    endpointIds: endpointIds.filter((id) => open.has(id)),
  }));
  return { ...logged(session, events, open, seq), endpoints: [] };
}

function logged(session: string, added: readonly NewEvent[], open: ReadonlySet<string>, seq: bigint) {
  const events: Event[] = [];
  const deliveries: Delivery[] = [];
  for (const { event, endpointIds } of added) {
    if (event.session !== session) throw new TypeError(`an event of "${event.session}" under a lease of "${session}"`);
    const numbered = { ...event, seq: seq + BigInt(events.length + 1) };
    events.push(numbered);
    for (const endpointId of new Set(endpointIds)) {
      if (!open.has(endpointId)) throw new TypeError(`session "${session}" has no endpoint "${endpointId}"`);
      const id = deliveryId(event.id, { seq: numbered.seq, endpointId });
      deliveries.push(create(DeliverySchema, { id, endpointId, event: numbered }));
    }
  }
  return { events, deliveries };
}

/** Returns a change that was numbered from 1 as it stands in the log, after `afterSeq`. */
export function numberChange(change: Change, afterSeq: bigint): Change {
  const events = change.events.map((event) => ({ ...event, seq: afterSeq + event.seq }));
  const bySeq = new Map(events.map((event) => [event.seq, event]));
  const deliveries = change.deliveries.map((delivery) => {
    const event = bySeq.get(afterSeq + (delivery.event?.seq ?? 0n));
    if (!event) return delivery;
    const id = deliveryId(event.id, { seq: event.seq, endpointId: delivery.endpointId });
    return { ...delivery, id, event };
  });
  return { ...change, events, deliveries };
}
