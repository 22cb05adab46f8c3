import { randomBytes } from "node:crypto";
import { createSealer } from "../../../src/adapters/seal/aes-gcm.ts";
import { backendContract } from "../../contract/backend.ts";
import { storeDirectory } from "./store-directory.ts";

backendContract("level", async (t, clock) => (await storeDirectory(t)).open(clock));

const sealer = createSealer(randomBytes(32));
backendContract("level, sealed", async (t, clock) => (await storeDirectory(t)).open(clock, { sealer }));
