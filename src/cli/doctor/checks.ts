import { admission } from './admission.ts'
import { certificates } from './certificates.ts'
import type { Check } from './check.ts'
import { crds } from './crds.ts'
import { csi } from './csi.ts'
import { fluid } from './fluid.ts'
import { gpus } from './gpus.ts'
import { knative } from './knative.ts'
import { kserve } from './kserve.ts'
import { labels } from './labels.ts'
import { localModels } from './local-models.ts'
import { order } from './order.ts'
import { rights } from './rights.ts'
import { runtimes } from './runtimes.ts'
import { security } from './security.ts'
import { service } from './service.ts'
import { storage } from './storage.ts'

/** All checks, in the order in which they are printed: what is needed first comes first. */
export const checks: readonly Check[] = [
  kserve,
  fluid,
  runtimes,
  csi,
  crds,
  order,
  service,
  certificates,
  rights,
  labels,
  security,
  knative,
  localModels,
  gpus,
  storage,
  admission,
]
