import { access, glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

test('every link from one page to another leads somewhere', async () => {
  const broken: string[] = []
  let links = 0
  const pages = glob('{.,docs,demo,bench,certs,manifests,test,test/*}/*.md', { cwd: fileURLToPath(root) })
  for await (const page of pages) {
    const text = await readFile(new URL(page, root), 'utf8')
    for (const [, target = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)/g)) {
      links += 1
      if (!(await leadsTo(new URL(target, new URL(page, root)), anchor)))
        broken.push(`${page}: ${target}#${anchor ?? ''}`)
    }
  }
  expect(links).toBeGreaterThan(50)
  expect(broken).toEqual([])
})

async function leadsTo(file: URL, anchor: string | undefined): Promise<boolean> {
  try {
    await access(file)
  } catch {
    return false
  }
  if (anchor === undefined) return true
  const text = await readFile(file, 'utf8')
  return [...text.matchAll(/^#+ (.*)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor)
}
