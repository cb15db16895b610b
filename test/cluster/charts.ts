import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { listAt, stringAt } from '../../src/values/object.ts'

/**
 * Copies the charts that Fluid's controllers install, so that they are as in Fluid's images: a Go module has
 * no symbolic links, and so has lost the subcharts that its charts link to.
 */
export async function copyCharts(charts: string, to: string): Promise<void> {
  await copyFolder(charts, to)
  for (const chart of await chartsIn(charts)) await putBack(charts, { chart, to })
  // The scripts that Fluid's CSI driver calls: for its image.
  await copyFolder(join(charts, '../csi/shell'), join(to, 'csi'))
}

/** Copies the dependencies that a chart names with `file://` into it. */
async function putBack(charts: string, { chart, to }: { chart: string; to: string }): Promise<void> {
  const { dependencies } = parse(await readFile(join(charts, chart, 'Chart.yaml'), 'utf8'))
  for (const dependency of listAt({ dependencies }, 'dependencies')) {
    const [, relative] = stringAt(dependency, 'repository')?.split('file://') ?? []
    if (relative === undefined) continue
    const name = stringAt(dependency, 'name') ?? ''
    await copyFolder(join(charts, chart, relative), join(to, chart, 'charts', name))
  }
}

async function chartsIn(charts: string): Promise<string[]> {
  const files = await readdir(charts, { recursive: true })
  return files.filter((file) => file.endsWith('/Chart.yaml')).map(dirname)
}

/** Without the permissions of a module's folder, which is read-only and cannot be removed. */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyFolder(source, target)
    else await copyFile(source, target)
  }
}
