import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { crdText } from '../src/policy/crd.ts'
import { chartFiles } from './chart.ts'
import { dashboard } from './dashboard.ts'

/** Every file that follows from the code, by its path in manifests/; a test fails while a file and the code differ. */
export async function generatedFiles(): Promise<Map<string, string>> {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  const dashboardText = `${JSON.stringify(dashboard(), null, 2)}\n`
  const chart = await chartFiles(version, dashboardText)
  return new Map([
    ['base/crd.yaml', crdText()],
    ['components/grafana/warmgate.json', dashboardText],
    ...[...chart].map(([path, text]) => [`chart/${path}`, text] as const),
  ])
}

if (import.meta.main) {
  for (const [path, text] of await generatedFiles()) {
    const file = new URL(path, import.meta.url)
    await mkdir(new URL('.', file), { recursive: true })
    await writeFile(file, text)
  }
}
