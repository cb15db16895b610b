import type { KubeClient } from '../kube/client.ts'
import { retryOnConflict } from '../kube/conflict.ts'
import { hasStatus } from '../kube/errors.ts'
import { isOptedOut } from '../plan/facts.ts'
import { readOriginal } from '../plan/service/original.ts'
import { type Undone, undo } from '../plan/service/undo.ts'
import { accelerationAnnotation, revertedAnnotation } from '../values/keys.ts'
import { type JsonObject, type KubeObject, keyOf, listAt, objectAt, stringAt } from '../values/object.ts'
import { serviceResource } from './services.ts'

export interface RestoreServiceOptions {
  /** Why the service has to opt out; undefined if no webhook would accelerate it again. */
  optOut: string | undefined
  dryRun?: boolean
}

/**
 * Restores the manifest of a service that was just read; `changed` has the API server's response. To opt a
 * service out, patches only the opt-out, and admission restores the rest, so that no field of the manifest
 * changes its manager (`metadata.managedFields`). If admission does not respond, replaces the whole service
 * and then restores the managers of its fields. Rejects with a 409 if the service has changed since it was
 * read.
 */
export async function restoreService(
  client: KubeClient,
  service: KubeObject,
  { optOut, dryRun = false }: RestoreServiceOptions,
): Promise<Undone> {
  const undone = undo(service, optOut)
  if (undone.kind !== 'changed') return undone
  if (optOut === undefined || isOptedOut(service.metadata.annotations))
    return await writeWhole(client, service, undone.service, dryRun)
  // Ask in a dry run first: an opt-out without its manifest would roll the pods twice.
  const asked = await patchOptOut(client, service, optOut, true)
  if (!isRestored(asked)) return await writeWhole(client, service, undone.service, dryRun)
  if (dryRun) return { kind: 'changed', service: asked }
  const answer = await patchOptOut(client, service, optOut, false)
  // Admission may have stopped since the dry run.
  return isRestored(answer)
    ? { kind: 'changed', service: answer }
    : await restoreService(client, answer, { optOut })
}

function isRestored(service: KubeObject): boolean {
  return readOriginal(service) === undefined
}

async function patchOptOut(
  client: KubeClient,
  service: KubeObject,
  optOut: string,
  dryRun: boolean,
): Promise<KubeObject> {
  const { uid, resourceVersion } = service.metadata
  const annotations = { [accelerationAnnotation]: 'disabled', [revertedAnnotation]: optOut }
  const body = { metadata: { uid, resourceVersion, annotations } }
  return await client.patch(serviceResource(service), keyOf(service), { type: 'merge', body }, { dryRun })
}

async function writeWhole(
  client: KubeClient,
  before: KubeObject,
  after: KubeObject,
  dryRun: boolean,
): Promise<Undone> {
  const written = await client.replace(serviceResource(before), after, { dryRun })
  if (!dryRun) await returnFields(client, before)
  return { kind: 'changed', service: written }
}

/**
 * Restores the managers of a service's fields after the service was replaced. Otherwise Warmgate manages the
 * model's URI, and the next server-side apply that changes it is a conflict. Best effort: the manifest is
 * already restored, so errors and conflicts are ignored.
 */
async function returnFields(client: KubeClient, before: KubeObject): Promise<void> {
  const managers = managersOf(before)
  if (managers.length === 0) return
  const [resource, key] = [serviceResource(before), keyOf(before)]
  const known = new Set(managers.map(managerId))
  await retryOnConflict(async () => {
    const now = await client.get(resource, key)
    if (now === undefined || now.metadata.uid !== before.metadata.uid) return
    const { uid, resourceVersion } = now.metadata
    const managedFields = [...managers, ...managersOf(now).filter((each) => !known.has(managerId(each)))]
    const body = { metadata: { uid, resourceVersion, managedFields } }
    await client.patch(resource, key, { type: 'merge', body })
  }).catch((error) => {
    if (!hasStatus(error, 403, 404, 409, 422)) throw error
  })
}

/** The managers of a service's fields, without Warmgate. */
function managersOf(service: KubeObject): JsonObject[] {
  return listAt(service, 'metadata', 'managedFields')
    .map((entry) => objectAt(entry))
    .filter((entry) => stringAt(entry, 'manager') !== 'warmgate')
}

/** The key of an entry in `managedFields`. The other fields are its time and the managed fields. */
function managerId(entry: JsonObject): string {
  return ['manager', 'operation', 'apiVersion', 'subresource']
    .map((field) => stringAt(entry, field) ?? '')
    .join('\n')
}
