import { hasStatus } from './errors.ts'

const attempts = 5

/** Does work that reads an object and replaces it, again where somebody else wrote it in between; gives up after a few times. */
export async function retryOnConflict<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!hasStatus(error, 409) || attempt === attempts) throw error
    }
  }
}
