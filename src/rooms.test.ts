import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const source = new URL('./', import.meta.url)

/** Which rooms each room may import from: the arrows of docs/architecture.md. */
const allowed: { [room: string]: string[] } = {
  values: [],
  telemetry: [],
  tracing: ['values', 'telemetry'],
  kserve: ['values'],
  fluid: ['values'],
  fill: ['values', 'fluid'],
  policy: ['values', 'fluid'],
  plan: ['values', 'kserve', 'fluid', 'fill', 'policy'],
  kube: ['values', 'telemetry'],
  tls: ['values', 'telemetry', 'kube'],
  cluster: ['values', 'telemetry', 'kserve', 'fluid', 'fill', 'policy', 'plan', 'kube'],
  admission: ['values', 'telemetry', 'tracing', 'kserve', 'policy', 'plan', 'tls', 'cluster'],
  controller: [
    'values',
    'telemetry',
    'tracing',
    'kserve',
    'fluid',
    'fill',
    'policy',
    'plan',
    'kube',
    'cluster',
  ],
  restore: ['values', 'kserve', 'fluid', 'plan', 'kube', 'cluster', 'controller'],
}
/** It puts all rooms together. */
const top = 'cli'

test('every room is known', async () => {
  const entries = await readdir(source, { withFileTypes: true })
  const rooms = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  expect(rooms.toSorted()).toEqual([...Object.keys(allowed), top].toSorted())
})

test.each(Object.entries(allowed))('%s imports from %j and from nowhere else', async (room, rooms) => {
  const names = await readdir(new URL(`${room}/`, source), { recursive: true })
  const files = names.filter((name) => /(^|\/)[a-z0-9-]+\.ts$/.test(name))
  const imported = await Promise.all(files.map((name) => roomsIn(`${room}/${name}`)))
  expect(files.length).toBeGreaterThan(0)
  expect([...new Set(imported.flat())].filter((other) => other !== room && !rooms.includes(other))).toEqual(
    [],
  )
})

/** The rooms that a file imports from. */
async function roomsIn(file: string): Promise<string[]> {
  const url = new URL(file, source)
  const text = await readFile(url, 'utf8')
  return [...text.matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(([, specifier = '']) => {
    const [room = ''] = new URL(specifier, url).pathname.slice(source.pathname.length).split('/')
    return room
  })
}
