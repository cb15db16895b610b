import { afterEach, beforeEach, expect, test } from 'vitest'
import { createMetricsServer, createProbeServer, type PlainServer } from './health-server.ts'
import { createMetrics, type Metrics } from './metrics.ts'

let missing: string[]
let metrics: Metrics
let readyCalls: number
let servers: PlainServer[]
let url: string
let metricsUrl: string

beforeEach(async () => {
  missing = ['no certificate yet', 'pods']
  metrics = createMetrics()
  const beforeScrape = () => metrics.heldPods.set(3)
  readyCalls = 0
  const onReady = () => {
    readyCalls += 1
  }
  servers = [
    createProbeServer({ missing: () => missing, onReady }),
    createMetricsServer({ metrics, beforeScrape }),
  ]
  const ports = await Promise.all(servers.map((each) => each.listen({ address: '127.0.0.1', port: 0 })))
  const [probes = '', scrapes = ''] = ports.map((port) => `http://127.0.0.1:${port}`)
  url = probes
  metricsUrl = scrapes
})

afterEach(async () => {
  await Promise.all(servers.map((each) => each.close()))
})

test('/readyz says what is missing, and is ready when nothing is', async () => {
  const before = await fetch(`${url}/readyz`)
  expect(before.status).toBe(503)
  expect(await before.text()).toBe('not ready: no certificate yet, pods\n')
  missing = []
  expect(readyCalls).toBe(0)
  expect((await fetch(`${url}/readyz?verbose`)).status).toBe(200)
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect(readyCalls).toBe(1)
})

test('/healthz is well whatever is missing', async () => {
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})

test('/metrics is Prometheus text, with the gauges of this moment', async () => {
  const response = await fetch(`${metricsUrl}/metrics`)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(await response.text()).toContain('warmgate_held_pods 3\n')
})

test('anything else is not there', async () => {
  const elsewhere = [`${url}/`, `${url}/metrics`, `${metricsUrl}/healthz`, `${metricsUrl}/constructor`]
  for (const each of elsewhere) expect((await fetch(each)).status).toBe(404)
})

test('a failed scrape is an error of that request, and does not end the process', async () => {
  metrics.registry.metrics = () => Promise.reject(new Error('broken'))
  expect((await fetch(`${metricsUrl}/metrics`)).status).toBe(500)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
})
