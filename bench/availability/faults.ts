import { setTimeout as pause } from 'node:timers/promises'
import { resources } from '../../src/kube/resources.ts'
import { Load, type Tally } from './load.ts'
import { reported, type Stage } from './stage.ts'

/** Something that happens while services are created. */
export interface Fault {
  name: string
  /** Before the load starts. */
  prepare?: (stage: Stage) => Promise<void>
  run(stage: Stage): Promise<void>
}

export interface Outcome extends Tally {
  name: string
  /** How many missed services an Event reported. */
  reported: number
}

/** How often each fault happens. */
export interface Counts {
  steadySeconds: number
  rolls: number
  rotations: number
  leaderChanges: number
  outages: number
}

const settleMs = 1_000
// Longer than it takes to change to certificates of new authorities, if these are checked every second.
const rotationMs = 4_000
const secret = { namespace: 'warmgate-system', name: 'warmgate-certificates' }
const lease = { namespace: 'warmgate-system', name: 'warmgate' }

/** @param before the bundle of an earlier version */
export function faultsOf(counts: Counts, before?: string): Fault[] {
  const { steadySeconds, rolls, rotations, leaderChanges, outages } = counts
  const upgrade: Fault[] =
    before === undefined
      ? []
      : [
          {
            name: 'upgrade from the version before, and back',
            prepare: ({ deployment }) => deployment.roll(before),
            async run({ deployment, program }) {
              for (const each of [program, before, program]) await deployment.roll(each)
            },
          },
        ]
  return [
    { name: 'nothing', run: () => pause(steadySeconds * 1_000) },
    {
      name: `${rolls} rolling restarts`,
      run: ({ deployment, program }) => repeat(rolls, () => deployment.roll(program)),
    },
    {
      name: `${rotations} rotations of authorities and certificates`,
      prepare: ({ deployment, quickProgram }) => deployment.roll(quickProgram),
      async run({ client, deployment, quickProgram }) {
        await repeat(rotations, async (index) => {
          await client.delete(resources.secret, secret)
          // A replica that starts just then gets a certificate of an authority that is seconds old.
          if (index % 5 === 0) await deployment.rollOne(quickProgram)
          await pause(rotationMs)
        })
      },
    },
    {
      name: `${leaderChanges} times the Lease is deleted`,
      run: ({ client, deployment }) =>
        repeat(leaderChanges, async () => {
          await client.delete(resources.lease, lease)
          await deployment.leader()
          await pause(settleMs)
        }),
    },
    {
      name: `${leaderChanges} times the leader is killed`,
      run: ({ deployment, program }) => repeat(leaderChanges, () => deployment.killLeader(program)),
    },
    ...(['kube-apiserver', 'etcd'] as const).map((program) => ({
      name: `${outages} times ${program} is killed`,
      run: ({ api }: Stage) =>
        repeat(outages, async () => {
          await api.restart(program)
          await pause(settleMs)
        }),
    })),
    ...upgrade,
  ]
}

/** Creates services while a fault happens, and counts what became of them. */
export async function measure(
  stage: Stage,
  { name, prepare = async () => {}, run }: Fault,
  { rate, heldRate, index }: { rate: number; heldRate: number; index: number },
): Promise<Outcome> {
  const { client, namespace } = stage
  await prepare(stage)
  const load = new Load({ client, namespace, rate, heldRate }, `run-${index}`)
  let tally: Tally
  try {
    await pause(settleMs)
    await run(stage)
    await pause(settleMs)
  } finally {
    tally = await load.stop()
  }
  return { ...tally, name, reported: (await reported(stage, tally.missed)).length }
}

async function repeat(times: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let index = 0; index < times; index++) await work(index)
}
