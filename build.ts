import { chmod } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** Writes one file that runs on Node 24 without node_modules: small to ship, quick to start. */
export async function bundle(
  outfile: string,
  entryPoint = fileURLToPath(new URL('src/main.ts', import.meta.url)),
): Promise<void> {
  await build({
    entryPoints: [entryPoint],
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
    logLevel: 'warning',
  })
  await chmod(outfile, 0o755)
}

if (import.meta.main) await bundle('dist/warmgate.mjs')
