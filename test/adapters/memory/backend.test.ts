import { openMemoryBackend } from "../../../src/adapters/memory/backend.ts";
import { backendContract } from "../../contract/backend.ts";

backendContract("memory", async (_, clock) => openMemoryBackend({ clock }));
