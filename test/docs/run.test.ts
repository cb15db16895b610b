import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import { resources } from '../../src/kube/resources.ts'
import { cacheWarmGate } from '../../src/values/keys.ts'
import { type KubeObject, stringAt } from '../../src/values/object.ts'
import { applyAll } from '../cluster/objects.ts'
import { condition, podWith, readyPod } from '../integration/await.ts'
import { namespace, policy, service, sklearn } from '../integration/services.ts'
import { installControllers } from '../warmgate/controllers.ts'
import { startTestCluster, type TestCluster } from '../warmgate/test-cluster.ts'
import { type Run, stages } from './runs.ts'
import { openShell, type Shell } from './shell.ts'

/*
 * The commands of the docs, as they are written, in the order in which a reader needs them: on a real API server, with
 * the real kubectl, Helm and krew. Nodes are simulated, so that Warmgate's Deployment runs nowhere; its process does.
 */

const ns = 'models'
let cluster: TestCluster
let shell: Shell

/** With a label, which a command selects by. */
function labelled(name: string): KubeObject {
  const object = service(ns, name, sklearn(`s3://models/${name}`))
  return { ...object, metadata: { ...object.metadata, labels: { team: 'language' } } }
}

beforeAll(async () => {
  const quick = { bindMs: 200, pollMs: 200, syncMs: 200, deleteRetryMs: 300 }
  const fluid = { ...quick, modelBytes: () => 2 ** 20, bytesPerSecond: 2 ** 40 }
  cluster = await startTestCluster({ initContainerSeconds: 1, fluid })
  const { client } = cluster
  await installControllers(client)
  const [bloom, llama] = [labelled('bloom'), labelled('llama')]
  const sources = [{ match: ['hf://'], mirror: 's3://mirror/hf/' }, { match: ['s3://'] }]
  const spec = { sources, cache: { retain: '1h' } }
  const [old, changed] = [spec, { ...spec, warmup: { timeout: '20m' } }].map((each) =>
    policy('default', each),
  )
  await applyAll(client, [namespace(ns, {}), namespace('chat', {}), old as KubeObject, bloom, llama])
  for (const name of ['bloom', 'llama']) await readyPod(client, { namespace: ns, name })
  shell = await openShell(cluster.cluster.kubeconfig, {
    'service.yaml': stringify(bloom),
    'services/bloom.yaml': stringify(bloom),
    'services/llama.yaml': stringify(llama),
    'policy.yaml': stringify(changed),
    'new.yaml': stringify(changed),
  })
})

afterAll(async () => {
  await shell?.close()
  await cluster?.stop()
})

/** With the names of this cluster in place of those that the docs leave to the reader. */
async function filled(command: string): Promise<string> {
  const pod = command.includes('POD')
    ? await podWith(cluster.client, { namespace: ns, name: 'slow' })
    : undefined
  return command
    .replaceAll('NAMESPACE', ns)
    .replaceAll(/\b(NAME|SERVICE)\b/g, 'bloom')
    .replaceAll(/\bPOD\b/g, pod?.metadata.name ?? '')
}

async function expectRun({
  command,
  as = command,
  prints,
  status = 0,
  first = [],
  endless,
}: Run): Promise<void> {
  for (const each of first) expect(await shell.run(await filled(each))).toMatchObject({ status: 0 })
  const outcome = await shell.run(await filled(as), endless && prints)
  expect(outcome.text).toMatch(prints)
  expect(outcome.status, outcome.text).toBe(status)
}

describe('before a namespace is opted in', () => {
  test.each(stages.before)('$command', expectRun)

  test('a release is complete, and each of its files can be used', async () => {
    const summed = await shell.run('cd dist/release && sha256sum --check SHA256SUMS')
    expect(summed).toMatchObject({ status: 0 })
    const names = [...summed.text.matchAll(/^(\S+): OK$/gm)].map(([, name = '']) => name)
    const { version } = packageJson
    expect(names.map((name) => name.replace(version, 'VERSION').replace(/linux-\w+/, 'linux-ARCH'))).toEqual([
      'NOTES.md',
      'install.yaml',
      'krew.yaml',
      'kubectl-warmgate-VERSION.tar.gz',
      'sbom.cdx.json',
      'warmgate-VERSION-linux-ARCH.oci.tar',
      'warmgate-VERSION.tgz',
    ])
    const image = `image: registry.example.com/platform/warmgate:${version}`
    const uses: [command: string, prints: RegExp][] = [
      [
        `helm template warmgate dist/release/warmgate-${version}.tgz --kube-version 1.36 | grep image:`,
        new RegExp(image),
      ],
      ['grep image: dist/release/install.yaml', new RegExp(image)],
      [`tar -xOf dist/release/warmgate-${version}-linux-*.oci.tar ./index.json`, /oci\.image\.manifest/],
      [`tar -tf dist/release/kubectl-warmgate-${version}.tar.gz`, /warmgate\.mjs/],
      ['grep -A3 uri: dist/release/krew.yaml', /uri: https:\/\/downloads\.example\.com\/warmgate\/v/],
      ['cat dist/release/sbom.cdx.json', /"bomFormat": "CycloneDX"[\s\S]*"undici"[\s\S]*"libc6"/],
      ['cat dist/release/NOTES.md', /^- /],
    ]
    for (const [command, prints] of uses) {
      const { status, text } = await shell.run(command)
      expect(text).toMatch(prints)
      expect(status, text).toBe(0)
    }
  })
})

describe('an accelerated namespace', () => {
  test.each(stages.acceleration)('$command', expectRun)
})

describe('while a pod waits', () => {
  beforeAll(async () => {
    cluster.fluid.set({ bytesPerSecond: 1 })
    await cluster.client.create(resources.inferenceService, labelled('slow'))
    // The condition comes a moment after the pod, and says then what the pod waits for.
    const says = (pod: KubeObject) => stringAt(condition(pod, cacheWarmGate), 'message') !== undefined
    await podWith(cluster.client, { namespace: ns, name: 'slow' }, says)
  })

  test.each(stages.waiting)('$command', expectRun)
})

describe('uninstalled and installed', () => {
  // The Deployment's pods are the only ones now, and they are simulated.
  beforeAll(() => cluster.warmgate.stop())

  test.each(stages.installation)('$command', expectRun)

  test('make deploy changes nothing the second time', async () => {
    const versions = async () => {
      const kinds = 'deployment,service,serviceaccount,configmap,poddisruptionbudget,networkpolicy,role'
      const jsonpath = '{.items[*].metadata.generation} {.items[*].metadata.uid}'
      return (await shell.run(`kubectl get ${kinds} -n warmgate-system -o jsonpath='${jsonpath}'`)).text
    }
    const before = await versions()
    expect(await shell.run('make deploy')).toMatchObject({ status: 0 })
    expect(await versions()).toBe(before)
  })

  test('make deploy without a context says so, and applies nothing', async () => {
    const { status, text } = await shell.run('KUBECONFIG=/dev/null make deploy')
    expect(status).not.toBe(0)
    expect(text).toContain('current-context is not set')
    expect(text).not.toContain('apply')
  })
})
