import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type KubeObject, listAt, objectAt, stringAt } from '../values/object.ts'
import { fakeFilled } from './fill.fake.ts'
import { listJob, parseListing, pruneJob } from './listing.ts'
import { fillPath } from './path.ts'

const line = (path: string, size = 10, time = '2030-01-01 10:00:00') => `${size}\t${time}\t${path}`
const text = (...lines: string[]) => `${lines.join('\n')}\n`
const stepsOf = (job: KubeObject) => {
  const pod = objectAt(job, 'spec', 'template', 'spec')
  return [...listAt(pod, 'initContainers'), ...listAt(pod, 'containers')].map((each) =>
    listAt(each, 'command').join(' '),
  )
}

test('a directory is complete by its marker, with the sum of its files and the time of the newest', () => {
  expect(
    parseListing(
      text(
        line('hf/org/bloom@/model.bin', 100, '2030-01-01 09:00:00'),
        line('hf/org/bloom@/onnx/model.bin', 20),
        line('.warmgate/hf/org/bloom@.json', 50, '2030-01-01 11:00:00'),
      ),
    ),
  ).toEqual([
    {
      path: 'hf/org/bloom@',
      state: 'complete',
      files: 2,
      bytes: 120,
      newestMs: Date.UTC(2030, 0, 1, 11),
    },
  ])
})

test('a directory without a marker, or with an empty one, is not; what a killed Job of a claim left is named', () => {
  const found = parseListing(
    text(
      line('https/a/m.zip@@team.0123456789/m.bin'),
      line('hf/org/b@v1@/x'),
      line('.warmgate/hf/org/b@v1@.json', 0),
      line('.warmgate/staging/team.bloom-0123456789/pod-1/x', 7),
      line('.warmgate/hf/org/gone@.json', 5),
    ),
  )
  expect(found.map(({ path, state, files }) => [path, state, files])).toEqual([
    ['.warmgate/staging/team.bloom-0123456789', 'staging', 1],
    ['hf/org/b@v1@', 'incomplete', 1],
    ['hf/org/gone@', 'complete', 0],
    ['https/a/m.zip@@team.0123456789', 'incomplete', 1],
  ])
})

test.each([
  'README.md',
  'someone/elses/file',
  'hf/org/model@',
  '.warmgate/notes.json',
  '.warmgate/hf/a@.json/x',
  '.warmgate/staging/x',
  'hf/../a@/x',
  'hf/**/a@/x',
  'hf/{a,b}@/x',
  'hf/a b@/x',
])('%s is none of Warmgate’s directories, and is never deleted', (path) => {
  expect(parseListing(text(line(path)))).toEqual([])
})

test('lines that are none are left out', () => {
  expect(parseListing('\n10\nx\t2030-01-01 10:00:00\thf/a@/b\n1\tnever\thf/a@/b\n')).toEqual([])
})

test('property: what a download writes is found by its own path, and by no other', () => {
  const uri = fc
    .tuple(
      fc.constantFrom('hf://', 's3://', 'https://'),
      fc.array(fc.string({ minLength: 1 }), { minLength: 1 }),
    )
    .map(([scheme, parts]) => scheme + parts.join('/'))
  fc.assert(
    fc.property(uri, (model) => {
      const path = fillPath(model, undefined)
      const found = parseListing(text(line(`${path}/deep/m.bin`), line(`.warmgate/${path}.json`)))
      expect(found).toMatchObject([{ path, state: 'complete', files: 1 }])
    }),
  )
})

test('a list of files is printed, and a NetworkPolicy may select its pod; the controller does not follow the Job', () => {
  const job = listJob(fakeFilled())
  expect(stepsOf(job)).toEqual([
    'rclone lsf mirror:mirror/models -R --files-only --format stp --separator \t',
  ])
  expect(job.metadata.labels).not.toHaveProperty(['warmgate.dev/fill'])
  expect(stringAt(job, 'spec', 'template', 'metadata', 'labels', 'warmgate.dev/fill')).toBe('list')
})

test('markers are deleted before the directories that they are for', () => {
  const job = pruneJob(fakeFilled(), ['hf/org/a@', 'hf/org/b@v1@'])
  expect(stepsOf(job)).toEqual([
    'rclone delete mirror:mirror/models --include /.warmgate/hf/org/a@.json --include /.warmgate/hf/org/b@v1@.json',
    'rclone delete mirror:mirror/models --include /hf/org/a@/** --include /hf/org/b@v1@/**',
  ])
})

test.each([[[]], [['hf/a@', '**']], [['']], [['..']]])('%j is never turned into a Job', (paths) => {
  expect(() => pruneJob(fakeFilled(), paths)).toThrow('no directories of a mirror are named')
})
