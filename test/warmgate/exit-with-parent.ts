import type { Socket } from 'node:net'

// Loaded before Warmgate where a test or the demo runs it: it ends with the process that started it, however that
// ended, because then its standard input does. Nothing else waits for that input.
const stdin = process.stdin as Socket
stdin.once('close', () => process.exit(1)).resume()
stdin.unref()
