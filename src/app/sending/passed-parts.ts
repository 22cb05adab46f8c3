/** Yields a file as it is, and calls `passed` with the size of each part. */
export async function* withPassed(
  content: AsyncIterable<Uint8Array>,
  passed: ((bytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const part of content) {
    passed?.(part.length);
    yield part;
  }
}
