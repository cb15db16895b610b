import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)
const page = await readFile(new URL('docs/security.md', root), 'utf8')

/** The tests of what holds: the path of each file, and the title. */
type Evidence = { [what: string]: readonly (readonly [file: string, title: string])[] }

/** By the first cell of each row of docs/security.md's table of threats. */
const threatEvidence: Evidence = {
  'Text that stops every replica: long or dense text in a service': [
    ['test/attack/text.test.ts', 'text that stops every replica: %s'],
    ['src/kserve/kserve.growth.test.ts', '%s takes less than 20 ms'],
  ],
  'Text that takes quadratic time': [
    ['src/kserve/kserve.growth.test.ts', '%s takes linear time'],
    ['src/fluid/fluid.growth.test.ts', '%s takes linear time'],
    ['src/plan/plan.growth.test.ts', '%s is read in linear time'],
  ],
  'Pods of namespaces that are not open': [
    [
      'src/cluster/reduce.test.ts',
      'a pod of a namespace that is not open is dropped, unless it carries a gate or an annotation of ours',
    ],
  ],
  'Forged records: a record makes caches or adds GPUs': [
    ['test/attack/records.test.ts', 'makes nothing in a namespace that never opted in'],
    [
      'test/attack/records.test.ts',
      'of a service that is older than the opt-in is kept unchanged, and reported',
    ],
    ['src/plan/service/updates.test.ts', 'a forged record gives no devices, whatever it says was added'],
  ],
  'A record on a new service, or copied from another one': [
    [
      'test/attack/records.test.ts',
      'on a new service of an open namespace is the URI that it names, planned like any URI',
    ],
    ['test/attack/records.test.ts', 'copied from another service proves nothing'],
    [
      'src/plan/service/updates.test.ts',
      'a manifest that was exported with its record is an ordinary new service elsewhere',
    ],
  ],
  'A role that is cluster-admin: the account writes what Warmgate never writes': [
    ['test/attack/account.test.ts', 'refused: %s'],
    ['test/attack/account.test.ts', 'refused by its policy: %s'],
    ['test/attack/account.test.ts', 'every rule of the policies refused something of this'],
  ],
  'More verbs than are used': [
    ['manifests/rbac.test.ts', 'the account may do what the code does, and no more: %s'],
    ['test/attack/account.test.ts', 'refused by RBAC: %s'],
  ],
  'Writes of Secrets everywhere': [
    [
      'manifests/rbac.test.ts',
      'the Secrets of caches are bound nowhere by default, and nothing binds the account to another role',
    ],
    [
      'src/controller/caches/secrets.test.ts',
      'without a grant for Secrets, the message has the command; any other failure is an error',
    ],
  ],
  'Jobs under any account: the account creates Jobs': [
    [
      'manifests/rbac.test.ts',
      'a policy checks each write that the roles allow, except writes that RBAC binds to a name, statuses and reviews',
    ],
    ['src/fill/job.test.ts', 'property: the pods fit into Pod Security restricted, and run no shell'],
  ],
  'A URI that leads out of a mirror, or into another model of it': [
    [
      'src/fill/path.test.ts',
      'property: two sources or revisions never share a directory, and none is inside another',
    ],
  ],
  'A model that only others may read, by way of a mirror': [
    [
      'src/plan/service/fill.test.ts',
      'a gated model has the token of its service, and its copy is no one else’s',
    ],
  ],
  'A file in a mirror with a name that makes `mirror prune` delete others': [
    ['src/fill/listing.test.ts', '%s is none of Warmgate’s directories, and is never deleted'],
    ['src/fill/listing.test.ts', '%j is never turned into a Job'],
  ],
  'A policy that warms models in a namespace that is not its own': [
    [
      'src/controller/policies/prewarms.test.ts',
      'nothing is made in a namespace %s, whatever other policies say',
    ],
  ],
  'Secrets in the last lines of a Job': [
    ['src/fill/output.test.ts', 'they are bounded, and hold no control characters'],
  ],
  'Memory: dense reviews and huge stored services': [
    [
      'test/attack/memory.test.ts',
      'dense reviews, idle connections and huge services of closed namespaces leave a replica under 300 MiB',
    ],
    ['src/admission/server.test.ts', 'a body with millions of objects is refused before it is parsed'],
    ['src/admission/body.test.ts', 'one large review at a time; small ones do not wait'],
  ],
  'Idle and slow connections': [
    [
      'test/attack/connections.test.ts',
      'one unknown client cannot block the API server, however many connections it opens',
    ],
    [
      'src/admission/connections.test.ts',
      'if there are too many, the oldest idle connection without a review is closed, and others are kept',
    ],
    [
      'src/admission/body.test.ts',
      'connections that never sent a review leave half of the room to the others',
    ],
  ],
  'Large clusters': [
    ['test/attack/memory.test.ts', '5,000 services and 20,000 pods leave a third of 512 MiB'],
    [
      'src/cluster/reduce.test.ts',
      'a head is small, whatever labels and annotations there are; a record is kept',
    ],
  ],
  "A tenant's Dataset or Runtime as Warmgate's": [
    [
      'test/attack/datasets.ts',
      'a Dataset that was created first, as Warmgate’s, and mounts a host path gets no Runtime and no write',
    ],
    [
      'test/attack/datasets.ts',
      'a Runtime that was created first, as Warmgate’s, with a host path in its pods is never adopted',
    ],
  ],
  'Datasets that are edited or replaced later': [
    ['test/attack/datasets.ts', 'mounts that are edited later are reported, and no Runtime is made of them'],
    [
      'test/attack/datasets.ts',
      'more workers than the policy allows, owners and labels are corrected, even with a forged digest; the rest is reported',
    ],
  ],
  'Annotations that keep caches, or retry without end': [
    ['test/attack/datasets.ts', 'a retention that a tenant wrote keeps nothing'],
    ['src/controller/caches/warmup-retries.test.ts', 'a forged count of %s is bounded'],
  ],
  'An oracle: reviews that ask about Secrets': [
    ['test/attack/records.test.ts', 'learns nothing of a closed namespace'],
    ['test/attack/records.test.ts', 'learns no name, no key and no bucket of a Secret of an open one'],
    ['src/cluster/facts.test.ts', 'nothing is read for a service before its namespace is known to be open'],
  ],
  'Reviews from unknown clients': [
    ['test/attack/connections.test.ts', 'with --client-ca only the API server sends a review'],
    [
      'src/admission/connections.test.ts',
      'with a client authority, a review needs a certificate of it, in the name that is let in',
    ],
  ],
  'A mounted certificate that is expired, cut off or of another key': [
    ['src/tls/mounted.test.ts', '%s: it is not ready, and what was served before stays'],
    ['src/tls/mounted.test.ts', 'key and certificate are never of two generations'],
  ],
  'Fan-out: one review costs thousands of reads': [
    ['src/cluster/facts.test.ts', 'one service costs a bounded number of reads, a few at a time: %s'],
    ['src/cluster/facts.test.ts', 'every read takes the signal'],
    ['src/cluster/facts.test.ts', 'reads end with the deadline of the review'],
    ['src/cluster/facts.test.ts', 'nothing is read for %s'],
  ],
  'One odd object stops the leader': [
    [
      'test/attack/limits.ts',
      'a ServiceAccount lists a Secret a/b: adoption and clean-up go on everywhere else',
    ],
    [
      'src/controller/controller.test.ts',
      'an unreadable service and Dataset do not keep other services from their caches',
    ],
    [
      'src/controller/policies/pod-rewrites.test.ts',
      'a service that cannot be planned keeps what was made for it, and blocks nothing',
    ],
  ],
  'Credentials in URIs': [
    ['test/attack/text.test.ts', 'credentials in URIs: %s'],
    ['src/kserve/uri.test.ts', '%s:// with user information is unsafe, and no part of it is repeated'],
    ['src/plan/service/source.test.ts', 'a mirror does not serve a URI with user information: %s'],
  ],
  'A bare pod reverts a warm service': [
    ['test/attack/limits.ts', 'a bare pod with the labels of a warm service does not revert it'],
    ['src/controller/pods/holds.test.ts', 'a pod of %s reverts no service, and is released'],
    ['src/controller/pods/holds.test.ts', 'a claim that its service was not given reverts nothing: %j'],
  ],
  'A pod that claims to wait for a sidecar is deleted': [
    [
      'src/controller/pods/sidecars.test.ts',
      'a pod that only has the annotation is not deleted: a running pod, and one without a workload',
    ],
  ],
  'A pod is deleted as one that admission did not see': [
    ['src/controller/pods/missed.test.ts', 'a pod that %s is left alone'],
    [
      'src/controller/pods/missed.test.ts',
      'a pod that lacks fields although admission works is replaced once in ten minutes',
    ],
  ],
  'No limits out of the box': [
    ['test/attack/limits.ts', 'without a policy, overrides cannot exceed the built-in policy'],
    [
      'test/attack/limits.ts',
      'a namespace fills the cluster with caches: those beyond the limit are not made',
    ],
    ['src/plan/cache/cache-limit.test.ts', 'without a policy a hundred are the most'],
  ],
  'Smaller ones: `juicefs://--conf-dir=…`': [
    ['test/attack/text.test.ts', 'a volume that reaches a command line as an option: %s'],
    ['src/fluid/runtimes.test.ts', '%s: no path makes an option of a command'],
  ],
  'Prefixes that widen, or are revealed': [
    [
      'test/attack/text.test.ts',
      'a prefix without a slash, widened by files: Parent or by cache.scope: Source',
    ],
    ['test/attack/text.test.ts', 'a skipped service does not learn the prefixes of a policy'],
  ],
  'Logs of megabytes': [['src/telemetry/logger.test.ts', 'a line about %s stays short']],
  'Terminal escapes': [
    [
      'src/cli/status.test.ts',
      'the content of objects cannot move the cursor, change colors or forge a line',
    ],
    ['src/cli/report.test.ts', '%s: a name from a file cannot move the cursor, or be a formula'],
  ],
  '`warmgate.dev/caches` with 19,000 names': [
    ['src/controller/controller.test.ts', 'an annotation of 19,000 names of caches wakes none of them'],
  ],
  'Floods of Events': [
    [
      'src/kube/events.test.ts',
      'an object has a few Events at once, and one more every five minutes; others have theirs',
    ],
  ],
  'Records beyond 256 KiB of annotations': [
    ['src/plan/service/size.test.ts', 'annotations fit as long as the API server takes them'],
  ],
  'TLS without forward secrecy': [
    ['src/admission/connections.test.ts', 'a client that offers %s is refused'],
  ],
  'Metrics open to every pod': [['src/telemetry/health-server.test.ts', 'anything else is not there']],
}

/** What the page says of records. */
const recordEvidence: Evidence = {
  'A record is proven on its own service, unchanged, and nowhere else': [
    ['src/plan/service/record.test.ts', 'on a service of %s it is unproven, and is read as such or ignored'],
  ],
  'Two keys are accepted; a rotation rolls nothing': [
    [
      'src/cluster/record-keys.test.ts',
      'a key that is moved to previous is accepted still, and a new one signs',
    ],
    ['src/plan/service/updates.test.ts', 'with a rotated key the record stays as it is'],
  ],
  'A lost key rolls nothing; adoption signs it again': [
    [
      'src/plan/service/updates.test.ts',
      'with a lost key nothing rolls: what a service has stays, and nothing is made for it',
    ],
    [
      'src/plan/service/updates.test.ts',
      'adopted after its key was lost, a service has a proven record, and the second pass changes nothing',
    ],
  ],
  'A replayed record gives what its policy gives today': [
    [
      'src/plan/service/updates.test.ts',
      'an old record on a service that is created again gives no more than its policy does today',
    ],
  ],
}

/** The first cells of the table under a heading, without its head. */
function cellsUnder(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter((line) => /^\| (?!threat |id |---)/.test(line))
  return rows.map(
    (row) =>
      row
        .split(/(?<!\\)\|/)[1]
        ?.replaceAll('**', '')
        .trim() ?? '',
  )
}

test('each threat of docs/security.md has tests, and each test a threat', () => {
  expect(cellsUnder('Threats')).toEqual(Object.keys(threatEvidence))
  for (const tests of Object.values({ ...threatEvidence, ...recordEvidence }))
    expect(tests.length).toBeGreaterThan(0)
})

const tests = [...Object.values(threatEvidence), ...Object.values(recordEvidence)].flat()

test.each([...new Map(tests.map((each) => [each.join(), each])).values()])(
  'a test of what docs/security.md says is there: %s "%s"',
  async (file, title) => {
    const source = await readFile(new URL(file, root), 'utf8')
    // As a call's first argument, on its line or on one of its own.
    const isThere = source
      .split(/\(\n?\s*(?=['"`])/)
      .some((text) => text.slice(1).startsWith(title + text[0]))
    expect(isThere).toBe(true)
  },
)

test("docs/security.md covers each threat of SIG Security's model once", () => {
  const ids = cellsUnder("SIG Security's threat model").map(Number)
  expect(ids).toEqual(Array.from({ length: 18 }, (_, index) => index + 1))
})
