import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const source = new URL('../', import.meta.url)

/** Which rooms each room may import from: the arrows of docs/architecture.md. */
const allowed: { [room: string]: string[] } = {
  values: [],
  kserve: ['values'],
  fluid: ['values'],
  policy: ['values'],
  plan: ['values', 'kserve', 'fluid', 'policy'],
}

test.each(Object.entries(allowed))('%s imports from %j and from nowhere else', async (room, rooms) => {
  const names = await readdir(new URL(`${room}/`, source))
  const files = names.filter((name) => /^[a-z-]+\.ts$/.test(name))
  const imported = await Promise.all(
    files.map(async (name) => {
      const text = await readFile(new URL(`${room}/${name}`, source), 'utf8')
      return [...text.matchAll(/from '\.\.\/([a-z]+)\//g)].map(([, other = '']) => other)
    }),
  )
  expect(files.length).toBeGreaterThan(0)
  expect([...new Set(imported.flat())].filter((other) => !rooms.includes(other))).toEqual([])
})
