import { backendContract } from "../../contract/backend.ts";
import { storeDirectory } from "./store-directory.ts";

backendContract("level", async (t, clock) => (await storeDirectory(t)).open(clock));
