import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

// Every link of the built site leads to a page and an anchor that it has.
const cwd = fileURLToPath(new URL('../../dist/site/', import.meta.url))
const base = process.env.SITE_BASE ?? '/'
const pages = new Map()
for await (const file of glob('**/*.html', { cwd })) pages.set(file, await readFile(`${cwd}${file}`, 'utf8'))

const broken = new Set()
let count = 0
for (const [file, html] of pages) {
  for (const [, href] of html.matchAll(/<a [^>]*href="([^"]*)"/g)) {
    if (/^[a-z]+:/.test(href)) continue
    count += 1
    const { pathname, hash } = new URL(href, `http://site${base}${file}`)
    const path = pathname.slice(base.length)
    const target = pages.get(path === '' ? 'index.html' : path)
    const anchor = decodeURIComponent(hash.slice(1))
    if (target === undefined || (anchor !== '' && !target.includes(`id="${anchor}"`)))
      broken.add(`${file}: ${href}`)
  }
}
for (const link of broken) process.stderr.write(`broken link in ${link}\n`)
process.stdout.write(`${pages.size} pages, ${count} links, ${broken.size} broken\n`)
process.exitCode = broken.size > 0 ? 1 : 0
