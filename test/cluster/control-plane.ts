import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonObject } from '../../src/values/object.ts'
import type { Access } from './access.ts'
import type { Binaries } from './binaries.ts'
import type { Processes } from './processes.ts'
import type { ProgramName } from './upstreams.ts'

export interface Parts {
  folder: string
  binaries: Binaries
  processes: Processes
  access: Access
  ports: { etcd: number; apiserver: number; kwok: number }
  /** The path of the kubeconfig of one of the cluster's own processes. */
  kubeconfig(user: string): string
}

export function startEtcd({ folder, ports, ...parts }: Parts): void {
  const url = `http://127.0.0.1:${ports.etcd}`
  start(parts, 'etcd', {
    'data-dir': join(folder, 'etcd'),
    'listen-client-urls': url,
    'advertise-client-urls': url,
    'listen-peer-urls': 'http://127.0.0.1:0',
    // A cluster that dies is not started again.
    'unsafe-no-fsync': 'true',
    'log-level': 'warn',
  })
}

/** @param tunnel the socket through which it reaches kubelets and pods, where they are in a network of their own */
export async function startApiServer(
  { access, ports, ...parts }: Parts,
  { tunnel }: { tunnel: string | undefined },
): Promise<void> {
  const { files } = access
  const egress = join(parts.folder, 'egress.json')
  if (tunnel !== undefined) await writeFile(egress, JSON.stringify(egressThrough(tunnel)))
  start(parts, 'kube-apiserver', {
    'etcd-servers': `http://127.0.0.1:${ports.etcd}`,
    'bind-address': '127.0.0.1',
    'secure-port': String(ports.apiserver),
    'tls-cert-file': files.cert,
    'tls-private-key-file': files.key,
    'token-auth-file': files.tokens,
    'authentication-config': files.authentication,
    'authorization-mode': 'RBAC',
    // Fluid's FUSE pods are.
    'allow-privileged': 'true',
    // Names of nodes cannot be resolved.
    'kubelet-preferred-address-types': 'InternalIP',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': files.serviceAccountKey,
    'service-account-signing-key-file': files.serviceAccountKey,
    'service-cluster-ip-range': '10.96.0.0/16',
    // Endpoints of the API server must not be on loopback; nothing here uses them.
    'endpoint-reconciler-type': 'none',
    // It dials an endpoint of a webhook's Service itself, so there need be no kube-proxy.
    ...(tunnel !== undefined && {
      'egress-selector-config-file': egress,
      'enable-aggregator-routing': 'true',
    }),
    profiling: 'false',
  })
}

function egressThrough(udsName: string): JsonObject {
  const connection = { proxyProtocol: 'HTTPConnect', transport: { uds: { udsName } } }
  return {
    apiVersion: 'apiserver.k8s.io/v1beta1',
    kind: 'EgressSelectorConfiguration',
    egressSelections: [{ name: 'cluster', connection }],
  }
}

export function startControllerManager({ access, ...parts }: Parts): void {
  start(parts, 'kube-controller-manager', {
    kubeconfig: parts.kubeconfig('kube-controller-manager'),
    'leader-elect': 'false',
    'secure-port': '0',
    'service-account-private-key-file': access.files.serviceAccountKey,
    'root-ca-file': access.files.ca,
    // How often a PVC without a volume is checked again.
    'pvclaimbinder-sync-period': '1s',
    ...busy,
    profiling: 'false',
  })
}

export function startScheduler(parts: Parts): void {
  start(parts, 'kube-scheduler', {
    kubeconfig: parts.kubeconfig('kube-scheduler'),
    'leader-elect': 'false',
    'secure-port': '0',
    ...busy,
  })
}

// Many tests share a cluster: with Kubernetes' own 20 requests a second they would wait for each other.
const busy = { 'kube-api-qps': '200', 'kube-api-burst': '400' }

const stagesFolder = new URL('./stages/', import.meta.url)

export interface KwokOptions {
  initContainerSeconds: number
  /** The folder of the programs that can be executed in pods. */
  commands?: string
}

/** KWOK with our own stages: its stock ones make every readiness gate True. */
export async function startKwok(
  { folder, access, ports, ...parts }: Parts,
  { initContainerSeconds, commands }: KwokOptions,
): Promise<void> {
  const stages = (await readdir(stagesFolder)).filter((name) => name.endsWith('.yaml'))
  const texts = await Promise.all(stages.map((name) => readFile(new URL(name, stagesFolder), 'utf8')))
  const config = join(folder, 'kwok.yaml')
  const text = [...texts, execs].join('---\n').replaceAll(placeholder, String(initContainerSeconds))
  await writeFile(config, text)
  const kubelet = {
    'node-port': String(ports.kwok),
    'server-address': `127.0.0.1:${ports.kwok}`,
    'tls-cert-file': access.files.cert,
    'tls-private-key-file': access.files.key,
  }
  const flags = {
    config,
    kubeconfig: parts.kubeconfig('kwok'),
    'manage-all-nodes': 'true',
    'node-ip': '127.0.0.1',
    cidr: '10.64.0.0/16',
    'node-lease-duration-seconds': '40',
  }
  if (commands === undefined) start(parts, 'kwok', flags)
  else start(parts, 'kwok', { ...flags, ...kubelet }, { PATH: commands })
}

const execs = JSON.stringify({
  apiVersion: 'kwok.x-k8s.io/v1alpha1',
  kind: 'ClusterExec',
  metadata: { name: 'commands' },
  spec: { execs: [{ local: {} }] },
})

// biome-ignore lint/suspicious/noTemplateCurlyInString: the same text as in stages/pod-init-container-done.yaml
const placeholder = '${initContainerSeconds}'

function start(
  { binaries, processes }: Pick<Parts, 'binaries' | 'processes'>,
  program: ProgramName,
  flags: { [name: string]: string },
  env: { [name: string]: string } = {},
): void {
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`)
  // Large CRDs at start make the API server collect garbage for a third of its time; this costs it memory.
  processes.start({ name: program, file: binaries.path(program), args, env: { GOGC: '200', ...env } })
}
