import { create, equals } from "@bufbuild/protobuf";
import { CreationSchema, type SessionRecord } from "../../gen/sessiond/store/v1/store_pb.js";
import { Session_DesiredState as Desired, SessionConfigSchema } from "../../gen/sessiond/v1/session_pb.js";
import { SessionError } from "../domain/errors.ts";

/** What makes two calls to create a session the same. */
interface Request {
  readonly name: string;
  readonly config: SessionRecord["config"] | undefined;
  readonly start: boolean;
  readonly idempotencyKey?: string;
}

/** A session that was created, now or by an earlier call with the same key. */
export interface Created {
  readonly record: SessionRecord;
  readonly replayed: boolean;
}

/** The record of a session about to be created under a key: the answer is kept in it, so that both are written at once. */
export const createdWith = (idempotencyKey: string, record: SessionRecord): SessionRecord => ({
  ...record,
  creation: create(CreationSchema, { idempotencyKey, answer: record }),
});

/** Calls to create sessions by their idempotency key, as long as the session exists. */
export class Creations {
  readonly #read: (session: string) => Promise<SessionRecord | undefined>;
  readonly #sessions = new Map<string, string>();
  readonly #running = new Map<string, Promise<SessionRecord>>();

  constructor(read: (session: string) => Promise<SessionRecord | undefined>) {
    this.#read = read;
  }

  /** Makes known what an earlier process has created. */
  remember(records: readonly SessionRecord[]): void {
    for (const { creation, name } of records) if (creation) this.#sessions.set(creation.idempotencyKey, name);
  }

  /** Creates once per key: a call like an earlier one is given that one's answer, another call with its key is refused. */
  async once(request: Request, make: () => Promise<SessionRecord>): Promise<Created> {
    const { idempotencyKey: key } = request;
    if (key === undefined) return { record: await make(), replayed: false };
    const earlier = (await this.#running.get(key)?.catch(() => undefined)) ?? (await this.#written(key));
    if (earlier) return { record: sameAs(request, earlier), replayed: true };
    const made = this.#running.get(key) ?? make();
    this.#running.set(key, made);
    try {
      const record = await made;
      this.#sessions.set(key, record.name);
      return { record, replayed: false };
    } finally {
      this.#running.delete(key);
    }
  }

  /** The answer given to a key, while the session it made is there. */
  async #written(key: string): Promise<SessionRecord | undefined> {
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    const record = await this.#read(session);
    return record?.creation?.idempotencyKey === key ? record.creation.answer : undefined;
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
