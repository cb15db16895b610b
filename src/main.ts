#!/usr/bin/env node
import { main, programName } from './cli/program.ts'

process.exitCode = await main(process.argv.slice(2), process, programName(process.argv[1] ?? ''))
