import { writeFile } from 'node:fs/promises'
import { crdText } from '../src/policy/crd.ts'

// Writes what follows from the code; a test fails while the file and the code differ.
await writeFile(new URL('base/crd.yaml', import.meta.url), crdText())
