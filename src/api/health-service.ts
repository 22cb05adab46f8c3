import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/health/v1/health_pb.js";
import { settledWithin } from "../app/time-box.ts";
import { endOf } from "./errors.ts";

/** What health is told by. */
export interface ServingStateOptions {
  readonly clock: Parameters<typeof settledWithin>[0] & { nowMs(): number };
  /** Resolves if the store takes writes. */
  checkStore(): Promise<void>;
}

const checkTimeoutMs = 5_000;
/** How long a finding stands, and so how often those who watch look anew. */
const findingMs = 5_000;

/** Whether the server can do its work: not while its store takes no writes, and never again once it drains. */
export class ServingState {
  readonly #options: ServingStateOptions;
  readonly #watchers = new Set<() => void>();
  #draining = false;
  #finding: { readonly atMs: number; readonly serving: Promise<boolean> } | undefined;

  constructor(options: ServingStateOptions) {
    this.#options = options;
  }

  /** The server takes no more work from now on: tells whoever watches. */
  drain(): void {
    this.#draining = true;
    for (const wake of this.#watchers) wake();
  }

  async status(): Promise<ServingStatus> {
    return !this.#draining && (await this.#storeIsUp()) && !this.#draining
      ? ServingStatus.SERVING
      : ServingStatus.NOT_SERVING;
  }

  /** Resolves when the status may be another, or a signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(findingMs, resolve);
    const wake = () => resolve();
    this.#watchers.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
    return promise.finally(() => {
      cancel();
      signal.removeEventListener("abort", wake);
      this.#watchers.delete(wake);
    });
  }

  #storeIsUp(): Promise<boolean> {
    const nowMs = this.#options.clock.nowMs();
    if (!this.#finding || nowMs - this.#finding.atMs >= findingMs) {
      this.#finding = { atMs: nowMs, serving: this.#check() };
    }
    return this.#finding.serving;
  }

  async #check(): Promise<boolean> {
    const check = this.#options.checkStore().then(
      () => true,
      () => false,
    );
    return (await settledWithin(this.#options.clock, checkTimeoutMs, check)) ?? false;
  }
}

/** grpc.health.v1.Health for services by name; "" is the server as a whole. */
export function createHealthService(state: ServingState, services: readonly string[]): ServiceImpl<typeof Health> {
  const names = ["", ...services];
  const answer = (status: ServingStatus): HealthCheckResponse => create(HealthCheckResponseSchema, { status });
  return {
    async check({ service }) {
      if (!names.includes(service)) throw new ConnectError("unknown service", Code.NotFound);
      return answer(await state.status());
    },
    async list() {
      const status = await state.status();
      return { statuses: Object.fromEntries(names.map((name) => [name, answer(status)])) };
    },
    async *watch({ service }, { signal }) {
      let last: ServingStatus | undefined;
      while (!signal.aborted) {
        const status = names.includes(service) ? await state.status() : ServingStatus.SERVICE_UNKNOWN;
        if (status !== last) yield answer(status);
        else await state.changed(signal);
        last = status;
      }
      throw endOf(signal);
    },
  };
}
