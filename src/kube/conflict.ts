import { hasStatus } from './errors.ts'

const attempts = 5

/** Runs work that reads and replaces an object, again after a conflict; gives up after a few attempts. */
export async function retryOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!hasStatus(error, 409) || attempt === attempts) throw error
    }
  }
}
