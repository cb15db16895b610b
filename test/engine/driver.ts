import type { KubeObject } from '../../src/values/object.ts'
import { mountRoot } from '../cluster/fluid.ts'
import type { RealNode } from '../node/node.ts'

const kubelet = '/var/lib/kubelet'
const driver = 'fuse.csi.fluid.io'
const socket = `${kubelet}/csi-plugins/${driver}/csi.sock`

/**
 * Fluid's CSI driver on a node, as the DaemonSet of Fluid's chart has it. Only the kubeconfig is the node's own, since
 * nothing here has the API server's address inside the cluster.
 */
export function driverPod({ name, dir }: RealNode, image: string): KubeObject {
  const kubeconfig = `${dir}/kubeconfig`
  const env = {
    NODE_ID: name,
    MOUNT_ROOT: mountRoot,
    KUBELET_ROOTDIR: kubelet,
    CSI_ENDPOINT: `unix://${socket}`,
    KUBECONFIG: kubeconfig,
    ALLOW_PATCH_STALE_NODE: 'true',
    NODEPUBLISH_METHOD: 'bindMount',
  }
  const shared = [
    { name: 'kubelet', mountPath: kubelet, mountPropagation: 'Bidirectional' },
    { name: 'mounts', mountPath: mountRoot, mountPropagation: 'HostToContainer' },
    { name: 'kubeconfig', mountPath: kubeconfig },
    { name: 'kubeconfig', mountPath: '/etc/kubernetes/kubelet.conf' },
    { name: 'updatedb', mountPath: '/host-etc' },
  ]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `csi-${name}`, namespace: 'fluid-system', labels: { app: 'csi-nodeplugin-fluid' } },
    spec: {
      nodeName: name,
      hostNetwork: true,
      dnsPolicy: 'Default',
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'registrar',
          image,
          command: ['registrar', `${kubelet}/plugins_registry/${driver}-reg.sock`, driver, socket],
          volumeMounts: [{ name: 'kubelet', mountPath: kubelet }],
        },
        {
          name: 'plugins',
          image,
          command: ['entrypoint.sh'],
          args: [
            ...['--nodeid=$(NODE_ID)', '--endpoint=$(CSI_ENDPOINT)', '--v=5', '--metrics-addr=0'],
            ...['--feature-gates=FuseRecovery=true', `--prune-path=${mountRoot}`],
          ],
          env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
          securityContext: { privileged: true, runAsUser: 0 },
          volumeMounts: shared,
        },
      ],
      volumes: [
        { name: 'kubelet', hostPath: { path: kubelet, type: 'Directory' } },
        { name: 'mounts', hostPath: { path: mountRoot, type: 'DirectoryOrCreate' } },
        { name: 'kubeconfig', hostPath: { path: kubeconfig, type: 'File' } },
        { name: 'updatedb', emptyDir: {} },
      ],
    },
  }
}
