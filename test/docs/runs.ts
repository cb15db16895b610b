/** A command of the docs, and how a test knows that it did what the docs say. */
export interface Run {
  /** Exactly as the docs have it. */
  command: string
  /** What it prints. */
  prints: RegExp
  /** Default: 0. */
  status?: number
  /** Commands that make the situation in which the docs name it. */
  first?: string[]
  /** It runs until Ctrl-C, which is pressed once it has printed what it should. */
  endless?: true
  /** What runs in its place, where it would change the machine or start all tests again. */
  as?: string
}

const makesNothing = (command: string) => command.replace(/^make /, 'make --dry-run ')
const uninstall = 'kubectl delete -k manifests/base --ignore-not-found'

/** Without a cluster, or by reading one that has services and no caches yet. */
const before: Run[] = [
  { command: 'make unit', as: makesNothing('make unit'), prints: /npm test/ },
  { command: 'make check', as: makesNothing('make check'), prints: /npm run --silent check/ },
  { command: 'make test', as: makesNothing('make test'), prints: /node test\/all\.ts/ },
  { command: 'make properties', as: makesNothing('make properties'), prints: /crd\.property\.test\.ts/ },
  {
    command: 'make demo',
    as: makesNothing('make demo'),
    prints: /node demo\/main\.ts --picture docs\/demo\.svg/,
  },
  { command: 'make site', as: makesNothing('make site'), prints: /docs\/site/ },
  { command: 'make image', as: makesNothing('make image'), prints: /node release\/image\.ts/ },
  { command: 'npm run format', as: 'npm run', prints: /format\n.*biome check --write/ },
  { command: 'npm run --silent warmgate -- --help', prints: /Usage: warmgate/ },
  { command: 'make build && node dist/warmgate.mjs --help', prints: /Usage: warmgate/ },
  { command: 'npm run --silent warmgate -- report -A', prints: /NAMESPACE.*\n(.*\n)*models +bloom/ },
  {
    command: 'npm run --silent warmgate -- plan -f service.yaml -o diff',
    prints: /\+ +storageUri: pvc:/,
  },
  { command: 'warmgate plan -f service.yaml', prints: /kind: DataLoad/ },
  { command: 'kubectl apply -f service.yaml', prints: /bloom configured/ },
  { command: 'warmgate plan -f services/ --policy new.yaml -o diff', prints: /20m at most/ },
  {
    command: 'warmgate plan -f services/ --fail-on skip -o json',
    prints: /"decision": "accelerate"/,
  },
  { command: 'warmgate plan -f - < service.yaml', prints: /storageUri: pvc:/ },
  { command: 'warmgate report -A', prints: /models +bloom/ },
  { command: 'warmgate report -n chat -o csv', prints: /downloadSeconds/ },
  {
    command: 'warmgate report -f pods.json',
    first: ['kubectl get pods -A -o json > pods.json'],
    prints: /bloom/,
  },
  { command: 'kubectl get pods -A -o json | warmgate report -f - -o json', prints: /"savedSeconds"/ },
  { command: 'warmgate explain', prints: /CredentialsMissing/ },
  { command: 'warmgate explain CredentialsMissing', prints: /Secret/ },
  {
    command: 'warmgate completion bash > ~/.local/share/bash-completion/completions/warmgate',
    prints: /^$/,
  },
  { command: 'warmgate completion zsh > ~/.zfunc/_warmgate', prints: /^$/ },
  {
    command: 'warmgate completion fish > ~/.config/fish/completions/warmgate.fish',
    prints: /^$/,
  },
  {
    command:
      'make release IMAGE=registry.example.com/platform/warmgate URL=https://downloads.example.com/warmgate',
    prints: /SHA256SUMS/,
  },
  {
    command:
      'kubectl krew install --manifest=dist/release/krew.yaml --archive=dist/release/kubectl-warmgate-0.1.0.tar.gz',
    prints: /Installed plugin: warmgate/,
  },
  { command: 'warmgate simulate -A --opt-in', prints: /bloom.* accelerate/ },
]

/** From the opt-in of a namespace to its restored services. */
const acceleration: Run[] = [
  {
    command: 'kubectl label namespace models warmgate.dev/acceleration=enabled',
    prints: /namespace\/models labeled/,
  },
  { command: 'warmgate doctor', prints: /KServe/ },
  { command: 'warmgate doctor --probe models', prints: /admission/ },
  { command: 'warmgate doctor -o json', prints: /"status": ?"ok"/ },
  { command: 'kubectl warmgate doctor', prints: /admission/ },
  { command: 'kubectl warmgate status -A', prints: /no service uses a cache/ },
  { command: 'kubectl get accelerationpolicies', prints: /default/ },
  { command: 'warmgate simulate -n models -f policy.yaml', prints: /bloom.* accelerate/ },
  { command: 'warmgate simulate -A -f policy.yaml -o json', prints: /"decision": ?"accelerate"/ },
  { command: 'warmgate simulate -n NAMESPACE -o wide', prints: /bloom.* accelerate/ },
  { command: 'warmgate adopt -n models', prints: /to adopt: 2; run again with --yes/ },
  { command: 'warmgate adopt -n models -o diff', prints: /\+ +storageUri: pvc:/ },
  { command: 'warmgate adopt -n models --yes', prints: /models\/bloom/ },
  { command: 'warmgate adopt -A -l team=language --yes', prints: /accelerated already: 2/ },
  { command: 'warmgate status -A', prints: /bloom/ },
  { command: 'kubectl get datasets,dataloads -n models', prints: /bloom-/ },
  { command: 'warmgate status -n models', prints: /bloom(.*\n)*.*llama/ },
  { command: 'warmgate status -A -o json', prints: /"phase": ?"warm"/ },
  { command: 'warmgate status llama -n models', prints: /warm/ },
  { command: 'warmgate status SERVICE -n NAMESPACE', prints: /warm/ },
  { command: 'warmgate status -n models --watch', prints: /bloom/, endless: true },
  { command: 'warmgate refresh llama -n models', prints: /llama/ },
  { command: 'warmgate refresh bloom -n models', prints: /bloom/ },
  { command: 'warmgate warm hf://org/model -n models', prints: /would have cache model-/ },
  { command: 'warmgate warm hf://org/model -n models --yes', prints: /warm after/ },
  {
    command: 'kubectl get events -n NAMESPACE --field-selector involvedObject.name=NAME',
    prints: /Accelerated/,
  },
  {
    command: 'kubectl get events -n NAMESPACE --field-selector involvedObject.kind=Dataset',
    prints: /WarmupComplete/,
  },
  {
    command: 'kubectl get events -A --field-selector reason=WarmupFailed',
    prints: /No resources found/,
  },
  {
    command: 'kubectl get events -A --field-selector reason=ReconcileFailed',
    prints: /REASON|No resources found/,
  },
  { command: 'kubectl get lease warmgate -n warmgate-system -o yaml', prints: /holderIdentity: ./ },
  { command: 'kubectl get pods -n warmgate-system', prints: /warmgate-.*Running/ },
  {
    command: 'kubectl get pods -n warmgate-system -l app.kubernetes.io/name=warmgate',
    prints: /warmgate-.*Running/,
  },
  {
    command: 'kubectl describe pods -n warmgate-system -l app.kubernetes.io/name=warmgate',
    prints: /Status: +Running/,
  },
  {
    command:
      'kubectl create secret generic mirror-access -n models --from-literal=AWS_ACCESS_KEY_ID=… --from-literal=AWS_SECRET_ACCESS_KEY=… --from-literal=S3_ENDPOINT=minio.store:9000 --from-literal=S3_USE_HTTPS=0',
    prints: /secret\/mirror-access created/,
  },
  {
    command:
      'kubectl create rolebinding warmgate-fills -n models --clusterrole=warmgate-fills --serviceaccount=warmgate-system:warmgate',
    prints: /created/,
  },
  {
    command:
      'kubectl create rolebinding warmgate-cache-secrets -n NAMESPACE --clusterrole=warmgate-cache-secrets --serviceaccount=warmgate-system:warmgate',
    prints: /created/,
  },
  {
    command:
      'kubectl -n warmgate-system patch secret warmgate-record-keys --type json -p \'[{"op":"move","from":"/data/current","path":"/data/previous"}]\'',
    prints: /secret\/warmgate-record-keys patched/,
  },
  { command: 'warmgate restore -A', prints: /with --yes it is done/ },
  { command: 'warmgate restore llama bloom -n models --yes', prints: /bloom/ },
  {
    command: 'kubectl annotate inferenceservice NAME -n NAMESPACE warmgate.dev/acceleration-',
    prints: /annotated/,
  },
  { command: 'warmgate restore -n models --yes', first: ['warmgate adopt -n models --yes'], prints: /bloom/ },
]

/** A pod that waits: its cache is filled at a byte a second. */
const waiting: Run[] = [
  {
    command:
      'kubectl get pod POD -n NAMESPACE -o jsonpath=\'{.status.conditions[?(@.type=="warmgate.dev/cache-warm")].message}\'',
    prints: /(waiting for|warming) slow-/,
  },
  { command: 'warmgate restore -n NAMESPACE --pods-only --yes', prints: /slow/ },
  { command: 'warmgate restore -A --pods-only --yes', prints: /nothing to undo/ },
]

/** From a release to an empty cluster, in each way, at the end: Warmgate's process is called no more. */
const installation: Run[] = [
  {
    command: 'kubectl delete mutatingwebhookconfiguration acceleration.warmgate.dev',
    prints: /deleted/,
  },
  {
    command: 'kubectl delete deployment warmgate --namespace warmgate-system --cascade=foreground',
    prints: /deleted/,
  },
  { command: 'warmgate restore --all-namespaces --yes', prints: /./ },
  { command: uninstall, prints: /namespace "warmgate-system"/ },
  {
    command: 'kubectl apply --server-side -f dist/release/install.yaml',
    prints: /deployment\.apps\/warmgate serverside-applied/,
  },
  {
    command: 'kubectl rollout status deployment/warmgate -n warmgate-system',
    prints: /successfully rolled out/,
  },
  {
    command: 'kubectl delete -f dist/release/install.yaml --ignore-not-found',
    prints: /namespace "warmgate-system" deleted/,
  },
  {
    command:
      'helm install warmgate dist/release/warmgate-0.1.0.tgz -n warmgate-system --create-namespace --set image.repository=registry.example.com/platform/warmgate',
    prints: /STATUS: deployed/,
  },
  {
    command: 'helm uninstall warmgate --namespace warmgate-system',
    prints: /release "warmgate" uninstalled/,
  },
  { command: 'make deploy', first: [uninstall], prints: /successfully rolled out/ },
  { command: 'make deploy-demo', prints: /accelerationpolicy.*default/ },
  { command: 'kubectl apply --server-side -k manifests/cluster-wide', prints: /serverside-applied/ },
]

/** In this order, on one control plane of their own. */
export const stages = { before, acceleration, waiting, installation }

/** Commands that a test runs on a real node, where a machine can run one. */
export const onNode: Run[] = [
  {
    command: 'kubectl get --raw /api/v1/namespaces/warmgate-system/pods/POD:8081/proxy/readyz',
    prints: /ok/,
  },
]

const noStore =
  'its Job needs a store and rclone, which simulated pods do not have: src/cli/mirror.test.ts runs it on a fake API'

const noLogs = 'neither simulated pods nor the kubelet of test/node serve logs'

/** Commands that cannot be run here, and why. */
export const notRun: { [command: string]: string } = {
  'npm ci': 'it would delete the packages that the test runs with',
  'podman load --input dist/warmgate-0.1.0-linux-amd64.oci.tar':
    'no podman; test/node imports the same archive into containerd',
  'warmgate mirror list -n models': noStore,
  'warmgate mirror prune -n models': noStore,
  'warmgate mirror prune -n models --yes': noStore,
  'warmgate mirror prune hf/org/model@v1@ -n models --yes': noStore,
  'kubectl logs -n warmgate-system -l app.kubernetes.io/name=warmgate --tail 50': noLogs,
  "kubectl logs -n warmgate-system -l app.kubernetes.io/name=warmgate --tail -1 | grep -iE 'lead|lease'":
    noLogs,
}
