import type { MessageInitShape } from "@bufbuild/protobuf";
import type { NodeSchema } from "../../../gen/sessiond/v1/server_service_pb.js";
import type { ClusterNode } from "../../ports/cluster.ts";

/** Facts about a node that is shown. A server without a cluster has no capacity and no load: nothing is placed by them. */
export type ShownNode = Omit<ClusterNode, "epoch" | "startedAs" | "capacity" | "load"> &
  Partial<Pick<ClusterNode, "capacity" | "load">>;

/** The nodes of the cluster, or this server alone. */
export interface NodeList {
  /** Name of this node. */
  readonly self: string;
  /** Returns all nodes by name, this one included. */
  nodes(): Promise<readonly ShownNode[]>;
}

/** Returns the API form of the nodes. A build follows its version as in Semantic Versioning. */
export async function nodesView({ self, nodes }: NodeList): Promise<MessageInitShape<typeof NodeSchema>[]> {
  return (await nodes()).map(({ name, url, version, build, isAlive, isDraining, capacity, load }) => ({
    name,
    url,
    version: build === "" ? version : `${version}+${build}`,
    alive: isAlive,
    draining: isDraining,
    ...(capacity !== undefined && { capacity }),
    ...(load !== undefined && { load }),
    self: name === self,
  }));
}
