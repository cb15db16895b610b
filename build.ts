import { chmod } from 'node:fs/promises'
import { build } from 'esbuild'

/** Writes one file that runs on Node 24 without node_modules: small to ship, quick to start. */
export async function bundle(outfile: string): Promise<void> {
  await build({
    entryPoints: ['src/main.ts'],
    absWorkingDir: import.meta.dirname,
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
}

if (import.meta.main) await bundle('dist/warmgate.mjs')
