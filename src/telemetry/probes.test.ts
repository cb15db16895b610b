import { afterEach, beforeEach, expect, test } from 'vitest'
import { createMetrics, type Metrics } from './metrics.ts'
import { createProbeServer, type ProbeServer } from './probes.ts'

let missing: string[]
let metrics: Metrics
let server: ProbeServer
let url: string

beforeEach(async () => {
  missing = ['no certificate yet', 'pods']
  metrics = createMetrics()
  server = createProbeServer({
    metrics,
    missing: () => missing,
    beforeScrape: () => metrics.heldPods.set(3),
  })
  url = `http://127.0.0.1:${await server.listen({ address: '127.0.0.1', port: 0 })}`
})

afterEach(() => server.close())

test('/readyz says what is missing, and is ready when nothing is', async () => {
  const before = await fetch(`${url}/readyz`)
  expect(before.status).toBe(503)
  expect(await before.text()).toBe('not ready: no certificate yet, pods\n')
  missing = []
  expect((await fetch(`${url}/readyz?verbose`)).status).toBe(200)
})

test('/healthz is well whatever is missing', async () => {
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('/metrics is Prometheus text, with the gauges of this moment', async () => {
  const response = await fetch(`${url}/metrics`)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(await response.text()).toContain('warmgate_held_pods 3\n')
})

test('anything else is not there', async () => {
  expect((await fetch(`${url}/`)).status).toBe(404)
})

test('a scrape that fails is an error of its own, not the end of the process', async () => {
  metrics.registry.metrics = () => Promise.reject(new Error('broken'))
  expect((await fetch(`${url}/metrics`)).status).toBe(500)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})
