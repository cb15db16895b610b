import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type KubeObject, listAt, objectAt } from '../values/object.ts'
import { fakeFilled } from './fill.fake.ts'
import type { Store } from './fill.ts'
import { fillJob } from './job.ts'

/*
 * What a reader of a mirror finds while Jobs fill it, in any order of their steps and killed anywhere. The steps are
 * the commands of the real Jobs; a copy or move of a directory is a step for each file.
 */

const files = ['config.json', 'model-1.bin', 'model-2.bin']
const claim: Store = { kind: 'Claim', claim: 'shared', prefix: 'models' }
const stores = fc.constantFrom<Store>(claim, fakeFilled().fill.store)

interface MirrorState {
  /** Empty or undefined: not complete. */
  marker: string | undefined
  target: Map<string, string>
}

/** A running pod of a Job: each call does one step; false once it has ended. */
type Pod = () => boolean

const commandsOf = (job: KubeObject) => {
  const pod = objectAt(job, 'spec', 'template', 'spec')
  return [...listAt(pod, 'initContainers'), ...listAt(pod, 'containers')].map((each) =>
    [...listAt(each, 'command'), ...listAt(each, 'args')].join(' '),
  )
}

function podOf(store: Store, version: string, mirror: MirrorState): Pod {
  const own = new Map<string, string>()
  const copy = (from: Map<string, string>, file: string) => () => {
    const content = from.get(file)
    if (content !== undefined) mirror.target.set(file, content)
    return content !== undefined
  }
  const steps = commandsOf(fillJob(fakeFilled({ store }))).flatMap((command): Pod[] => {
    const [program, verb, source = ''] = command.split(' ')
    if (program !== 'rclone') return files.map((file) => () => own.set(file, version) !== undefined)
    if (verb === 'copyto')
      return [
        () => {
          mirror.marker = source === '/mark/marker' ? version : ''
          return true
        },
      ]
    if (verb === 'copy' || verb === 'moveto') return files.map((file) => copy(own, file))
    if (verb === 'check') return [() => files.every((file) => mirror.target.get(file) === own.get(file))]
    // Any other step must leave alone what is served.
    expect(command).not.toContain('/hf/org/bloom@')
    return []
  })
  return () => steps.shift()?.() ?? false
}

/** Whether a reader that trusts the marker finds every file, all of one version. */
function isServable({ marker, target }: MirrorState): boolean {
  if (!marker) return true
  const contents = new Set(files.map((file) => target.get(file)))
  return contents.size === 1 && !contents.has(undefined)
}

test('property: Jobs for one model do not hurt each other, whichever of them are killed', () => {
  const schedule = fc.array(fc.nat(2), { maxLength: 60 })
  fc.assert(
    fc.property(stores, schedule, (store, turns) => {
      const mirror: MirrorState = { marker: undefined, target: new Map() }
      const pods = [0, 1, 2].map(() => podOf(store, 'v1', mirror))
      // Where the turns end, pods that have not ended are killed.
      for (const turn of turns) {
        pods[turn]?.()
        expect(isServable(mirror)).toBe(true)
      }
      for (const pod of pods.slice(0, 1)) while (pod()) expect(isServable(mirror)).toBe(true)
      expect(mirror.marker).toBe('v1')
    }),
  )
})

test('property: a model that is downloaded again is never served half old and half new', () => {
  const runs = fc.array(fc.nat(20), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(stores, runs, (store, steps) => {
      const mirror: MirrorState = { marker: undefined, target: new Map() }
      for (const [index, most] of steps.entries()) {
        const pod = podOf(store, `v${index}`, mirror)
        // A pod of one Job is gone before the next one starts. It is killed after so many steps.
        for (let step = 0; step < most && pod(); step++) expect(isServable(mirror)).toBe(true)
        expect(isServable(mirror)).toBe(true)
      }
      const last = podOf(store, 'last', mirror)
      while (last()) expect(isServable(mirror)).toBe(true)
      expect(mirror.marker).toBe('last')
      expect(new Set(mirror.target.values())).toEqual(new Set(['last']))
    }),
  )
})
