import type { JsonObject } from '../../src/values/object.ts'
import { pauseImage } from './images.ts'

/** The paths of a node's programs: the default ones, because /run and /var belong to the node. */
export const containerdSocket = '/run/containerd/containerd.sock'

/** What a node and its pods are called by, and who resolves names for them, if anyone does. */
export interface NodeAddresses {
  node: string
  pods: string
  dns: string | undefined
}

/** Of a node without a network: nothing but the node itself reaches its pods. */
export const alone: NodeAddresses = { node: '192.0.2.1', pods: '198.51.100.0/24', dns: undefined }

export interface NodeSettings {
  addresses: NodeAddresses
  /** The name under which the node's control groups are. */
  cgroup: string
  /** Paths of programs and folders. */
  runc: string
  cniPlugins: string
  cniFolder: string
}

/** The kubelet settings for a node that is a folder with a few namespaces, and possibly cgroup v1. */
export function kubeletConfiguration({ cgroup, addresses: { node, dns } }: NodeSettings): JsonObject {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    ...(dns === undefined
      ? // Nobody asks it for logs or a shell: the API server cannot reach into the node's network.
        { enableServer: false }
      : { ...answering, address: node, clusterDNS: [dns], clusterDomain: 'cluster.local' }),
    healthzPort: 0,
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    cgroupRoot: `/${cgroup}`,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    // All that it stores is in memory. How full the machine's disk is, is not its business.
    localStorageCapacityIsolation: false,
    evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    makeIPTablesUtilChains: false,
    resolvConf: '',
    // Lowering it takes a capability that a container's root does not have.
    oomScoreAdj: 0,
    nodeStatusUpdateFrequency: '2s',
  }
}

/** Only the API server's tunnel leads to it. */
const answering: JsonObject = {
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
}

export function containerdConfiguration({ runc, cniPlugins, cniFolder }: NodeSettings): string {
  const cri = "plugins.'io.containerd.cri.v1"
  return `version = 3
[plugins.'io.containerd.internal.v1.opt']
path = '/var/lib/containerd/opt'
[${cri}.images'.pinned_images]
sandbox = '${pauseImage.name}'
[${cri}.runtime']
disable_apparmor = true
restrict_oom_score_adj = true
[${cri}.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[${cri}.runtime'.containerd.runtimes.runc.options]
BinaryName = '${runc}'
[${cri}.runtime'.cni]
bin_dirs = ['${cniPlugins}']
conf_dir = '${cniFolder}'
use_internal_loopback = true
`
}

/**
 * A pair of interfaces for each pod, one end in the node's own network namespace: test/node/network.ts routes
 * between nodes.
 */
export function cniConfiguration({ addresses: { pods } }: NodeSettings): JsonObject {
  const ipam = { type: 'host-local', ranges: [[{ subnet: pods }]], routes: [{ dst: '0.0.0.0/0' }] }
  return { cniVersion: '1.0.0', name: 'pods', plugins: [{ type: 'ptp', ipam }] }
}
