import { create, equals } from "@bufbuild/protobuf";
import { CreationSchema, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { SessionError } from "../domain/errors.ts";
import { CreationKeyTaken, type Sessions } from "../ports/sessions.ts";

/** The parts of a call that creates a session. Calls with one key must agree in all of them. */
interface Request {
  readonly name: string;
  readonly config: SessionRecord["config"] | undefined;
  readonly start: boolean;
  readonly idempotencyKey?: string;
}

/** A session that was created, by this call or by an earlier one with the same key. */
export interface Created {
  readonly record: SessionRecord;
  readonly replayed: boolean;
}

/** Returns the record of a new session with its key and its answer in it, so that all are written at once. */
export const createdWith = (idempotencyKey: string, record: SessionRecord): SessionRecord => ({
  ...record,
  creation: create(CreationSchema, { idempotencyKey, answer: record }),
});

/** Creates sessions once per idempotency key, as long as the session exists. */
export class Creations {
  readonly #sessions: Pick<Sessions, "createdWith">;
  /** Calls of this process that are under way, by key. */
  readonly #running = new Map<string, Promise<SessionRecord>>();

  constructor(sessions: Pick<Sessions, "createdWith">) {
    this.#sessions = sessions;
  }

  /** Runs `make` once per key. A repeated call gets the first one's answer; a different call with the same key is refused. */
  async once(request: Request, make: () => Promise<SessionRecord>): Promise<Created> {
    const { idempotencyKey: key } = request;
    if (key === undefined) return { record: await make(), replayed: false };
    const earlier = (await this.#running.get(key)?.catch(() => undefined)) ?? (await this.#written(key));
    if (earlier) return { record: sameAs(request, earlier), replayed: true };
    const made = this.#running.get(key) ?? make();
    this.#running.set(key, made);
    try {
      return { record: await made, replayed: false };
    } catch (error) {
      // Another process was first.
      const answer = error instanceof CreationKeyTaken ? await this.#written(key) : undefined;
      if (!answer) throw error;
      return { record: sameAs(request, answer), replayed: true };
    } finally {
      this.#running.delete(key);
    }
  }

  async #written(key: string): Promise<SessionRecord | undefined> {
    return (await this.#sessions.createdWith(key))?.creation?.answer;
  }
}

function sameAs(request: Request, answer: SessionRecord): SessionRecord {
  const config = answer.config ?? create(SessionConfigSchema);
  const same =
    (request.name === "" || request.name === answer.name) &&
    request.start === (answer.desiredState === Desired.RUNNING) &&
    equals(SessionConfigSchema, request.config ?? create(SessionConfigSchema), config);
  if (same) return answer;
  throw new SessionError(
    "IDEMPOTENCY_KEY_REUSED",
    "This Idempotency-Key was used to create another session; use a new key for another request",
  );
}
