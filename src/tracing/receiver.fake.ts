import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type JsonObject, listAt, objectAt, stringAt } from '../values/object.ts'

export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  startMs: number
  endMs: number
  attributes: { [name: string]: unknown }
  status: JsonObject
  /** Of the replica that sent it. */
  resource: { [name: string]: unknown }
}

/** A collector that takes OTLP/HTTP in JSON, and answers with a status. */
export async function startReceiver(status = 200) {
  const spans: ReceivedSpan[] = []
  const bodies: string[] = []
  const requests: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray()
    const body = Buffer.concat(chunks).toString()
    requests.push({ url: request.url, headers: request.headers })
    bodies.push(body)
    if (status === 200) spans.push(...spansIn(JSON.parse(body)))
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    bodies,
    requests,
    stop: async () => {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
}

function spansIn(body: JsonObject): ReceivedSpan[] {
  return listAt(body, 'resourceSpans').flatMap((part) =>
    listAt(part, 'scopeSpans').flatMap((scope) =>
      listAt(scope, 'spans').map((span) => ({
        traceId: stringAt(span, 'traceId') ?? '',
        spanId: stringAt(span, 'spanId') ?? '',
        parentSpanId: stringAt(span, 'parentSpanId'),
        name: stringAt(span, 'name') ?? '',
        startMs: Number(stringAt(span, 'startTimeUnixNano')) / 1e6,
        endMs: Number(stringAt(span, 'endTimeUnixNano')) / 1e6,
        attributes: valuesOf(listAt(span, 'attributes')),
        status: objectAt(span, 'status'),
        resource: valuesOf(listAt(part, 'resource', 'attributes')),
      })),
    ),
  )
}

function valuesOf(attributes: unknown[]): { [name: string]: unknown } {
  return Object.fromEntries(
    (attributes as { key: string; value: object }[]).map(({ key, value }) => [key, Object.values(value)[0]]),
  )
}
