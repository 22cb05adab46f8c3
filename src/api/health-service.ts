import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/health/v1/health_pb.js";
import { endOf } from "./errors.ts";
import type { ServingState } from "./serving-state.ts";

/** Creates grpc.health.v1.Health for services by name. The name "" stands for the server as a whole. */
export function createHealthService(state: ServingState, services: readonly string[]): ServiceImpl<typeof Health> {
  const names = ["", ...services];
  const answer = (status: ServingStatus): HealthCheckResponse => create(HealthCheckResponseSchema, { status });
  const statusNow = async () =>
    (await state.current()) === "serving" ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  return {
    async check({ service }) {
      if (!names.includes(service)) throw new ConnectError("unknown service", Code.NotFound);
      return answer(await statusNow());
    },
    async list() {
      const status = await statusNow();
      return { statuses: Object.fromEntries(names.map((name) => [name, answer(status)])) };
    },
    async *watch({ service }, { signal }) {
      let last: ServingStatus | undefined;
      while (!signal.aborted) {
        const status = names.includes(service) ? await statusNow() : ServingStatus.SERVICE_UNKNOWN;
        if (status !== last) yield answer(status);
        else await state.changed(signal);
        last = status;
      }
      throw endOf(signal);
    },
  };
}
