import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of files between two collections. */
const intervalBytes = 1_048_576;

/**
 * Returns a function to call for each part of a file that passes through the process. V8 counts the buffers that parts leave behind only
 * from 64 MB on. A collection of young objects, which takes about a millisecond, frees them before.
 */
export function createTransferRelief(collect: () => void = youngCollection()): (bytes: number) => void {
  let passed = 0;
  return (bytes) => {
    passed += bytes;
    if (passed < intervalBytes) return;
    passed = 0;
    collect();
  };
}

/** Returns V8's collection of young objects, which is looked up when it is first needed. */
function youngCollection(): () => void {
  let collect: ((options: { readonly type: "minor" }) => void) | undefined;
  return () => {
    collect ??= exposedCollection();
    collect({ type: "minor" });
  };
}

/** Returns the function `gc` of a context that has it. */
function exposedCollection(): (options: { readonly type: "minor" }) => void {
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc");
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}
