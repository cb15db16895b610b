/**
 * Does the work for each item, a few at a time, and resolves with the results in the order of the items. Once the
 * signal aborts, nothing more starts and the call rejects with the signal's reason.
 */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  { limit, signal }: { limit: number; signal?: AbortSignal | undefined },
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const entries = items.entries()
  const worker = async () => {
    for (const [index, item] of entries) {
      signal?.throwIfAborted()
      results[index] = await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return results
}

/** Waits for every promise of a record. */
export async function resolveAll<T extends { [name: string]: Promise<unknown> }>(
  promises: T,
): Promise<{ [Name in keyof T]: Awaited<T[Name]> }> {
  const entries = Object.entries(promises).map(async ([name, promise]) => [name, await promise] as const)
  return Object.fromEntries(await Promise.all(entries)) as { [Name in keyof T]: Awaited<T[Name]> }
}
