import type { GroupWriter } from "../../embedded/group-writer.ts";
import type { Operation } from "./database.ts";

/** The only writer of a store. */
export type StoreWriter = GroupWriter<Operation>;
