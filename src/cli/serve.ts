export async function serve(_options: unknown): Promise<void> {}
