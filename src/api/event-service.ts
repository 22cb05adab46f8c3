import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { EventService } from "../../gen/sessiond/v1/event_service_pb.js";
import { invalidArgument } from "../domain/errors.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Tickets } from "../ports/tickets.ts";
import { readCredential } from "./authentication.ts";
import { eventStream } from "./streams/event-stream.ts";
import type { Streams } from "./streams/streams.ts";

/** Dependencies of EventService. */
export interface EventServiceOptions {
  readonly log: EventLog;
  readonly streams: Streams;
  readonly tickets: Tickets;
}

/** Creates EventService on top of the event log. */
export function createEventService(options: EventServiceOptions): ServiceImpl<typeof EventService> {
  const { log, streams, tickets } = options;
  return {
    streamEvents: (request, context) => eventStream(log, request, streams.optionsFor(context)),
    async ackEvents({ consumer, cursor }) {
      if (cursor > (await log.lastSeq())) {
        throw invalidArgument([{ field: "cursor", description: "must not be beyond the end of the log" }]);
      }
      return { cursor: await log.acknowledge(consumer, cursor) };
    },
    createStreamTicket(_request, { requestHeader, responseHeader }: HandlerContext) {
      responseHeader.set("cache-control", "no-store");
      const { ticket, expiresAtMs } = tickets.issue(readCredential(requestHeader));
      return { ticket, expiresAt: timestampFromMs(expiresAtMs) };
    },
  };
}
