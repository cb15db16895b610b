import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const controlPlane = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok'] as const
export const fluidControllers = [
  'fluid-dataset',
  'fluid-alluxio',
  'fluid-efc',
  'fluid-jindo',
  'fluid-juicefs',
  'fluid-thin',
] as const
// Fluid calls Helm by this name.
const fluid = [...fluidControllers, 'ddc-helm'] as const

/** A program that a cluster runs, from a Go module. */
export const programNames = [...controlPlane, 'kserve-manager', 'kserve-llmisvc-manager', ...fluid] as const

/** The programs of a real node, which joins a cluster: see test/node. */
export const nodePrograms = [
  'kubelet',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'ptp',
  'host-local',
  'guest',
] as const

/** What renders the manifests that are shipped: see test/install. Helm is there for Fluid, too. */
export const renderPrograms = ['kustomize', 'ddc-helm'] as const

/** What else runs where a cache is real: see test/engine. */
export const enginePrograms = ['fluid-csi', 'registrar', 'coredns', 'versitygw'] as const

/** What else a reader of the docs runs: see test/docs. */
export const readerPrograms = ['kubectl', 'krew'] as const
export type ProgramName =
  | (typeof programNames)[number]
  | (typeof nodePrograms)[number]
  | (typeof enginePrograms)[number]
  | (typeof renderPrograms)[number]
  | (typeof readerPrograms)[number]

export interface Program {
  name: ProgramName
  package: string
  /** How long a build from an empty Go cache takes on two cores. */
  aboutMinutes: number
  tags?: string
  ldflags?: (version: string) => string
}

/**
 * A Go module that others release: its tool module here pins the exact version, and all that it is built
 * with.
 */
export interface Upstream {
  name: string
  module: string
  programs: Program[]
}

/** An upstream with the version from its go.mod. */
export interface Pinned extends Upstream {
  version: string
  /** The folder of its go.mod and go.sum. */
  folder: string
  /** Changes with every byte that decides what is built. */
  digest: string
}

// A build that is not stamped calls itself v0.0.0-master, and clients compare versions.
const kubernetesVersion = (version: string) => {
  const [major, minor] = version.slice(1).split('.')
  const stamp = { gitVersion: version, gitMajor: major, gitMinor: minor }
  return Object.entries(stamp)
    .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
    .join(' ')
}

function kubernetes(name: ProgramName, aboutMinutes: number): Program {
  return { name, package: `k8s.io/kubernetes/cmd/${name}`, aboutMinutes, ldflags: kubernetesVersion }
}

function fluidController(name: (typeof fluidControllers)[number]): Program {
  const command = name.slice('fluid-'.length)
  return { name, package: `github.com/fluid-cloudnative/fluid/cmd/${command}`, aboutMinutes: 1 }
}

export interface ClusterParts {
  kserve: boolean
  llm: boolean
  fluid: boolean
}

/** The programs of a cluster with these parts. */
export function programsFor({ kserve, llm, fluid: withFluid }: ClusterParts): ProgramName[] {
  return [
    ...controlPlane,
    ...(kserve ? (['kserve-manager'] as const) : []),
    ...(llm ? (['kserve-llmisvc-manager'] as const) : []),
    ...(withFluid ? fluid : []),
  ]
}

const containerdModule = 'github.com/containerd/containerd/v2'

// Each of these file systems would need its headers and a C compiler.
const fewFileSystems = 'no_btrfs,no_devmapper,no_zfs'

function containerd(name: ProgramName, aboutMinutes: number): Program {
  const ldflags = (version: string) => `-X ${containerdModule}/version.Version=${version}`
  const tags = fewFileSystems
  return { name, package: `${containerdModule}/cmd/${name}`, aboutMinutes, tags, ldflags }
}

function cni(name: ProgramName, path: string): Program {
  return { name, package: `github.com/containernetworking/plugins/plugins/${path}`, aboutMinutes: 1 }
}

export const upstreams: readonly Upstream[] = [
  {
    name: 'etcd',
    module: 'go.etcd.io/etcd/server/v3',
    programs: [{ name: 'etcd', package: 'go.etcd.io/etcd/server/v3', aboutMinutes: 1 }],
  },
  {
    name: 'kubernetes',
    module: 'k8s.io/kubernetes',
    programs: [
      kubernetes('kube-apiserver', 5),
      kubernetes('kube-controller-manager', 1),
      kubernetes('kube-scheduler', 1),
      kubernetes('kubelet', 4),
    ],
  },
  {
    name: 'kwok',
    module: 'sigs.k8s.io/kwok',
    programs: [{ name: 'kwok', package: 'sigs.k8s.io/kwok/cmd/kwok', aboutMinutes: 2 }],
  },
  {
    name: 'kserve',
    module: 'github.com/kserve/kserve',
    programs: [
      { name: 'kserve-manager', package: 'github.com/kserve/kserve/cmd/manager', aboutMinutes: 5 },
      { name: 'kserve-llmisvc-manager', package: 'github.com/kserve/kserve/cmd/llmisvc', aboutMinutes: 2 },
    ],
  },
  {
    name: 'fluid',
    module: 'github.com/fluid-cloudnative/fluid',
    programs: fluidControllers.map(fluidController),
  },
  // An upstream of its own, so that Fluid's controllers need not be built again with it.
  {
    name: 'csi',
    module: 'github.com/fluid-cloudnative/fluid',
    programs: [{ name: 'fluid-csi', package: 'github.com/fluid-cloudnative/fluid/cmd/csi', aboutMinutes: 1 }],
  },
  {
    name: 'helm',
    module: 'helm.sh/helm/v3',
    programs: [{ name: 'ddc-helm', package: 'helm.sh/helm/v3/cmd/helm', aboutMinutes: 1 }],
  },
  {
    name: 'kustomize',
    module: 'sigs.k8s.io/kustomize/kustomize/v5',
    programs: [{ name: 'kustomize', package: 'sigs.k8s.io/kustomize/kustomize/v5', aboutMinutes: 1 }],
  },
  // An upstream of its own, so that the control plane need not be built again with it.
  { name: 'kubectl', module: 'k8s.io/kubernetes', programs: [kubernetes('kubectl', 2)] },
  {
    name: 'krew',
    module: 'sigs.k8s.io/krew',
    programs: [{ name: 'krew', package: 'sigs.k8s.io/krew/cmd/krew', aboutMinutes: 1 }],
  },
  {
    name: 'containerd',
    module: containerdModule,
    programs: [containerd('containerd', 2), containerd('containerd-shim-runc-v2', 1), containerd('ctr', 1)],
  },
  {
    name: 'cni',
    module: 'github.com/containernetworking/plugins',
    programs: [cni('ptp', 'main/ptp'), cni('host-local', 'ipam/host-local')],
  },
  // Our own, and static: an image of test/node holds nothing else.
  {
    name: 'guest',
    module: 'warmgate.dev/test/cluster/guest',
    programs: [{ name: 'guest', package: '.', aboutMinutes: 1, tags: 'netgo,osusergo' }],
  },
  {
    name: 'registrar',
    module: 'warmgate.dev/test/cluster/registrar',
    programs: [{ name: 'registrar', package: '.', aboutMinutes: 1, tags: 'netgo,osusergo' }],
  },
  {
    name: 'dns',
    module: 'warmgate.dev/test/cluster/dns',
    programs: [{ name: 'coredns', package: '.', aboutMinutes: 1 }],
  },
  {
    name: 's3',
    module: 'github.com/versity/versitygw',
    programs: [{ name: 'versitygw', package: 'github.com/versity/versitygw/cmd/versitygw', aboutMinutes: 2 }],
  },
  // Only its CRDs: see test/install.
  { name: 'cert-manager', module: 'github.com/cert-manager/cert-manager', programs: [] },
]

export async function pin(upstream: Upstream): Promise<Pinned> {
  const folder = fileURLToPath(new URL(`./modules/${upstream.name}/`, import.meta.url))
  const names = (await readdir(folder)).sort()
  const files = await Promise.all(names.map((name) => readFile(`${folder}${name}`, 'utf8')))
  const version = versionOf(upstream, files[names.indexOf('go.mod')] ?? '')
  if (version === undefined) throw new Error(`${folder}go.mod does not require ${upstream.module}`)
  const pinned = { ...upstream, folder, version, digest: '' }
  const commands = upstream.programs.map((program) => buildArgs(program, pinned))
  const digest = createHash('sha256')
    .update(JSON.stringify([files, commands]))
    .digest('hex')
  return { ...pinned, digest: digest.slice(0, 12) }
}

/** Builds from a module in this repository differ only by their digest. */
function versionOf({ module }: Upstream, goMod: string): string | undefined {
  if (goMod.startsWith(`module ${module}\n`)) return 'v0'
  const version = goMod.split(`${module} v`)[1]?.match(/^\S+/)?.[0]
  return version === undefined ? undefined : `v${version}`
}

/**
 * The arguments of `go build`, but for where the result goes. Two compilers at a time leave room for others.
 */
export function buildArgs({ ldflags, tags, package: path }: Program, { version }: Pinned): string[] {
  const flags = ['-s -w', ldflags?.(version)].filter(Boolean).join(' ')
  const tagged = tags === undefined ? [] : ['-tags', tags]
  return ['-mod=readonly', '-buildvcs=false', '-trimpath', '-p', '2', ...tagged, '-ldflags', flags, path]
}
