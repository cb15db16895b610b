import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

const retryMs = 500

/**
 * Runs `work` while this process holds a lock file. The owner's pid is in it, so the lock of a process that
 * died is taken over. What runs under it must be right without it, too: two processes that take over the same
 * lock at the same moment may both run, which costs time and nothing else.
 */
export async function withLock<T>(
  file: string,
  { onWait, work }: { onWait: (owner: number) => void; work: () => Promise<T> },
): Promise<T> {
  let told: number | undefined
  while (!(await take(file))) {
    const owner = await ownerOf(file)
    if (owner === undefined) continue
    if (!isAlive(owner)) {
      await rm(file, { force: true })
      continue
    }
    if (owner !== told) onWait(owner)
    told = owner
    await pause(retryMs)
  }
  try {
    return await work()
  } finally {
    await rm(file, { force: true })
  }
}

async function take(file: string): Promise<boolean> {
  const mine = `${file}.${process.pid}`
  await writeFile(mine, `${process.pid}`)
  try {
    // A link appears together with its content, so that no process reads a lock without an owner.
    await link(mine, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(mine)
  }
}

/** Undefined where the lock is gone. */
async function ownerOf(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : Number(text)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: the process exists, and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
