import { randomUUID } from 'node:crypto'
import { getIn, type Json, type KubeObject, listAt, stringAt } from '../../src/values/object.ts'
import { provideBinaries } from '../cluster/binaries.ts'
import type { RealNode } from '../node/node.ts'

/** What is done to the containers of a node behind Kubernetes' back. */
export interface Containers {
  /** Kills the first process of a running container, as the kernel would. */
  kill(pod: KubeObject, name: string): Promise<void>
  /** Runs a command in a container and gives what it prints. Rejects with its errors if it fails. */
  exec(pod: KubeObject, name: string, command: string[]): Promise<string>
}

export async function containersOn(node: RealNode): Promise<Containers> {
  const ctr = (await provideBinaries({ programs: ['ctr'], progress: () => {} })).path('ctr')
  const tasks = (args: string[]) => node.run([ctr, '--namespace', 'k8s.io', 'tasks', ...args])
  return {
    async kill(pod, name) {
      await tasks(['kill', '--signal', 'SIGKILL', idOf(pod, name)])
    },
    exec: (pod, name, command) =>
      tasks(['exec', '--exec-id', randomUUID().slice(0, 8), idOf(pod, name), ...command]),
  }
}

export function isRunning(pod: KubeObject, name: string): boolean {
  return getIn(statusOf(pod, name), 'state', 'running') !== undefined
}

/** How often a container was started again. */
export function restartsOf(pod: KubeObject, name: string): number {
  return Number(getIn(statusOf(pod, name), 'restartCount'))
}

function statusOf(pod: KubeObject, name: string): Json | undefined {
  const statuses = ['initContainerStatuses', 'containerStatuses'].flatMap((list) =>
    listAt(pod, 'status', list),
  )
  return statuses.find((each) => stringAt(each, 'name') === name)
}

function idOf(pod: KubeObject, name: string): string {
  const id = stringAt(statusOf(pod, name), 'containerID')
  if (id === undefined) throw new Error(`${pod.metadata.name} has no container ${name} yet`)
  return id.replace('containerd://', '')
}
