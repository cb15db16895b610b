import { chmod } from 'node:fs/promises'
import { build } from 'esbuild'

// One file that runs on Node 24 without node_modules: small to ship, quick to start.
const outfile = 'dist/warmgate.mjs'
await build({
  entryPoints: ['src/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // Dependencies written in CommonJS call require.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  legalComments: 'linked',
})
await chmod(outfile, 0o755)
