import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseManifests } from '../src/cli/manifests.ts'
import { type Json, objectAt, stringAt } from '../src/values/object.ts'
import { configOf } from './image.ts'
import { installText } from './install.ts'
import { notesOf } from './notes.ts'
import { krewManifest } from './plugin.ts'
import { createSbom } from './sbom.ts'
import { readVersion, root } from './version.ts'

const read = (path: string) => readFile(new URL(path, root), 'utf8')

test('the Containerfile describes the image that is assembled', async () => {
  const text = (await read('Containerfile')).replaceAll('\\\n', '')
  const stage = text.slice(text.lastIndexOf('\nFROM '))
  const instruction = (name: string) => new RegExp(`^${name} (.*)$`, 'm').exec(stage)?.[1] ?? ''
  const labels = [...instruction('LABEL').matchAll(/([\w.]+)="([^"]*)"/g)].map(([, key = '', value = '']) => [
    key,
    value,
  ])
  const assembled = configOf({}) as { [field: string]: string | string[] }
  expect(instruction('USER')).toBe(assembled.User)
  expect(instruction('WORKDIR')).toBe(assembled.WorkingDir)
  expect(JSON.parse(instruction('ENTRYPOINT'))).toEqual(assembled.Entrypoint)
  expect(instruction('ENV').split(' ')).toEqual(assembled.Env)
  const names = ['title', 'description', 'licenses', 'version', 'revision', 'created']
  expect(labels.map(([key]) => key)).toEqual(names.map((name) => `org.opencontainers.image.${name}`))
  expect(text).toContain(`ARG VERSION=${await readVersion()}\n`)
})

test('every shipped file has the version of package.json', async () => {
  const version = await readVersion()
  const [deployment] = parseManifests('deployment.yaml', await read('manifests/base/deployment.yaml'))
  const container = objectAt(deployment?.object, 'spec', 'template', 'spec', 'containers', 0)
  expect(container.image).toBe(`warmgate:${version}`)
  expect(stringAt(parse(await read('manifests/chart/Chart.yaml')) as Json, 'version')).toBe(version)
})

test('install.yaml names the image where it was pushed', async () => {
  const text = await installText('registry.example.com/warmgate:9')
  expect(text).toContain('image: registry.example.com/warmgate:9\n')
  expect(text).not.toMatch(/image: warmgate:/)
})

test('notes are the section of a version, or the unreleased changes before it has one', () => {
  const changelog = '# Changelog\n\n## Unreleased\n\n- New.\n\n## 1.0.0 (2026-12-01)\n\n- First.\n'
  expect(notesOf(changelog, '1.0.0')).toBe('- First.')
  expect(notesOf(changelog, '1.1.0')).toBe('- New.')
  expect(() => notesOf('# Changelog\n', '1.0.0')).toThrow('has no section 1.0.0')
})

test("krew's manifest names the archive, its digest, and what Warmgate needs", () => {
  const manifest = parse(
    krewManifest({ version: '1.2.3', uri: 'https://example.com/a.tar.gz', sha256: 'ab' }),
  ) as Json
  expect(manifest).toMatchObject({
    kind: 'Plugin',
    metadata: { name: 'warmgate' },
    spec: {
      version: 'v1.2.3',
      caveats: expect.stringContaining('Node 24'),
      platforms: [{ uri: 'https://example.com/a.tar.gz', sha256: 'ab', bin: './warmgate.mjs' }],
    },
  })
})

test('the list of contents has every dependency, also one that development dependencies may use', async () => {
  const { dependencies } = JSON.parse(await read('package.json')) as { dependencies: object }
  const { components } = await createSbom({ node: '24.0.0', system: [], created: '2026-12-01T00:00:00Z' })
  const names = components.map(({ name }) => name)
  expect(names).toEqual(expect.arrayContaining([...Object.keys(dependencies), 'node']))
  expect(new Set(names).has('vitest')).toBe(false)
})
