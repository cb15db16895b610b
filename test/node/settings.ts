import type { JsonObject } from '../../src/values/object.ts'
import { pauseImage } from './images.ts'

/** Where a node's programs listen and keep things: the usual places, since /run and /var are the node's own. */
export const containerdSocket = '/run/containerd/containerd.sock'

/** The address that namespaces.sh gives the node. */
export const nodeAddress = '192.0.2.1'

export interface NodeSettings {
  /** The name under which the node's control groups are. */
  cgroup: string
  /** Paths of programs and folders. */
  runc: string
  cniPlugins: string
  cniFolder: string
}

/** What kubelet has to be told to be content with a folder, a few namespaces and version 1 of control groups. */
export function kubeletConfiguration({ cgroup }: NodeSettings): JsonObject {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    // Nobody asks it for logs or a shell: the API server cannot reach into the node's network.
    enableServer: false,
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

/** A pair of interfaces for each pod, one end in the node's own network namespace: there is nothing to route to. */
export const cniConfiguration: JsonObject = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'ptp',
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '198.51.100.0/24' }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
}
