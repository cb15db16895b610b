import type { JsonObject } from '../src/values/object.ts'

interface Query {
  expr: string
  legend?: string
}

interface Panel {
  title: string
  /** What a reader should know to read it. */
  description: string
  type: 'stat' | 'timeseries' | 'bargauge'
  unit: string
  queries: Query[]
  /** Of 24 columns. */
  width: number
  /** Lines are stacked: for parts of a whole. */
  isStacked?: boolean
}

const rows: { title: string; panels: Panel[] }[] = [
  {
    title: 'Starts',
    panels: [
      {
        title: 'Time saved, last 24 hours',
        description: 'Time that storage initializers would have taken, less the time that pods were held.',
        type: 'stat',
        unit: 's',
        queries: [{ expr: 'sum(increase(warmgate_start_saved_seconds_total[24h]))' }],
        width: 6,
      },
      {
        title: 'Services accelerated, last 24 hours',
        description: 'Services and updates that were rewritten to read from a cache.',
        type: 'stat',
        unit: 'short',
        queries: [
          {
            expr: 'sum(increase(warmgate_admission_reviews_total{decision="patch",resource=~".*inferenceservices"}[24h])) or vector(0)',
          },
        ],
        width: 6,
      },
      {
        title: 'Pods held now',
        description: 'Pods that wait for their cache.',
        type: 'stat',
        unit: 'short',
        queries: [{ expr: 'max(warmgate_held_pods)' }],
        width: 4,
      },
      {
        title: 'Caches warm',
        description: 'Warm caches, of all caches.',
        type: 'stat',
        unit: 'percentunit',
        queries: [
          {
            expr: 'max(warmgate_caches{phase="warm"}) / (sum(max by (phase) (warmgate_caches)) > 0) or vector(1)',
          },
        ],
        width: 4,
      },
      {
        title: 'Replicas',
        description: 'Replicas that are scraped. One of them leads.',
        type: 'stat',
        unit: 'short',
        queries: [
          { expr: 'count(warmgate_leader)', legend: 'running' },
          { expr: 'sum(warmgate_leader)', legend: 'leading' },
        ],
        width: 4,
      },
      {
        title: 'Time saved',
        description:
          'By how it is known: the same source was downloaded in this cluster, or its size is known.',
        type: 'timeseries',
        unit: 's',
        queries: [
          { expr: 'sum by (basis) (increase(warmgate_start_saved_seconds_total[1h]))', legend: '{{basis}}' },
        ],
        width: 24,
        isStacked: true,
      },
    ],
  },
  {
    title: 'Warm-ups and caches',
    panels: [
      {
        title: 'Caches',
        description: 'By phase. A partial cache lacks a part of its model.',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'max by (phase) (warmgate_caches)', legend: '{{phase}}' }],
        width: 8,
        isStacked: true,
      },
      {
        title: 'Duration of warm-ups',
        description: 'From the start of the loading Job to its end.',
        type: 'timeseries',
        unit: 's',
        queries: ['0.5', '0.9'].map((quantile) => ({
          expr: `histogram_quantile(${quantile}, sum by (le) (rate(warmgate_warmup_duration_seconds_bucket[$__rate_interval])))`,
          legend: `quantile ${quantile}`,
        })),
        width: 8,
      },
      {
        title: 'Speed of warm-ups',
        description: 'Size of a model over the time that its warm-up took; the median.',
        type: 'timeseries',
        unit: 'Bps',
        queries: [
          {
            expr: 'histogram_quantile(0.5, sum by (le) (rate(warmgate_warmup_bytes_per_second_bucket[$__rate_interval])))',
            legend: 'median',
          },
        ],
        width: 8,
      },
      {
        title: 'Loaded',
        description: 'Sizes of the models that warm-ups loaded from their sources.',
        type: 'timeseries',
        unit: 'bytes',
        queries: [{ expr: 'sum(increase(warmgate_warmup_bytes_total[$__rate_interval]))', legend: 'loaded' }],
        width: 12,
      },
      {
        title: 'Warm-ups that failed',
        description: 'Including those that were tried again.',
        type: 'timeseries',
        unit: 'short',
        queries: [
          { expr: 'sum(increase(warmgate_warmup_failures_total[$__rate_interval]))', legend: 'failed' },
        ],
        width: 12,
      },
    ],
  },
  {
    title: 'Holds',
    panels: [
      {
        title: 'Pods held',
        description: 'Pods that wait for their cache.',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'max(warmgate_held_pods)', legend: 'held' }],
        width: 8,
      },
      {
        title: 'Ends of holds',
        description: 'By reason: Warm is the good one.',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (outcome) (increase(warmgate_hold_duration_seconds_count[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
        width: 8,
        isStacked: true,
      },
      {
        title: 'Duration of holds',
        description: 'How long pods waited.',
        type: 'timeseries',
        unit: 's',
        queries: ['0.5', '0.9'].map((quantile) => ({
          expr: `histogram_quantile(${quantile}, sum by (le) (rate(warmgate_hold_duration_seconds_bucket[$__rate_interval])))`,
          legend: `quantile ${quantile}`,
        })),
        width: 8,
      },
    ],
  },
  {
    title: 'Admission',
    panels: [
      {
        title: 'Reviews',
        description: 'By decision. pass: left unchanged, for the reason that the next panel shows.',
        type: 'timeseries',
        unit: 'reqps',
        queries: [
          {
            expr: 'sum by (decision) (rate(warmgate_admission_reviews_total[$__rate_interval]))',
            legend: '{{decision}}',
          },
        ],
        width: 8,
        isStacked: true,
      },
      {
        title: 'Reasons, last 24 hours',
        description: 'docs/reasons.md explains each.',
        type: 'bargauge',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (reason) (increase(warmgate_admission_reviews_total{resource=~".*inferenceservices"}[24h]))',
            legend: '{{reason}}',
          },
        ],
        width: 8,
      },
      {
        title: 'Time to answer',
        description: 'The API server waits for 5 s.',
        type: 'timeseries',
        unit: 's',
        queries: ['0.5', '0.99'].map((quantile) => ({
          expr: `histogram_quantile(${quantile}, sum by (le) (rate(warmgate_admission_duration_seconds_bucket[$__rate_interval])))`,
          legend: `quantile ${quantile}`,
        })),
        width: 8,
      },
    ],
  },
  {
    title: 'Errors',
    panels: [
      {
        title: 'Reverts',
        description: 'Services that went back to their storage initializer.',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (reason) (increase(warmgate_reverts_total[$__rate_interval]))',
            legend: '{{reason}}',
          },
        ],
        width: 6,
      },
      {
        title: 'Objects that failed',
        description: 'By loop. Log lines with WG040 name the object.',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (loop) (increase(warmgate_reconcile_errors_total[$__rate_interval])) or vector(0)',
            legend: '{{loop}}',
          },
        ],
        width: 6,
      },
      {
        title: 'Certificates',
        description: 'Time until they end. They are renewed long before.',
        type: 'timeseries',
        unit: 's',
        queries: [
          {
            expr: 'min by (kind) (warmgate_certificate_expiry_timestamp_seconds) - time()',
            legend: '{{kind}}',
          },
        ],
        width: 6,
      },
      {
        title: 'Silence of watches',
        description:
          'How long ago a replica last heard of each resource; the longest. Bookmarks come each minute.',
        type: 'timeseries',
        unit: 's',
        queries: [
          {
            expr: 'time() - min(warmgate_watch_last_event_timestamp_seconds)',
            legend: 'longest',
          },
          { expr: 'sum(max by (resource) (warmgate_watch_forbidden))', legend: 'forbidden' },
        ],
        width: 6,
      },
    ],
  },
]

const columns = 24
const heights = { stat: 4, timeseries: 8, bargauge: 8 }
const datasource = { type: 'prometheus', uid: '$datasource' }

/** The Grafana dashboard, as Grafana exports one (schema version 39, Grafana 10 and later). */
export function dashboard(): JsonObject {
  return {
    title: 'Warmgate',
    uid: 'warmgate',
    tags: ['warmgate', 'kserve', 'fluid'],
    schemaVersion: 39,
    editable: true,
    refresh: '1m',
    time: { from: 'now-24h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }],
    },
    panels: layOut(),
  }
}

/** Places panels from left to right, and each row below the one before. */
function layOut(): JsonObject[] {
  const placed: JsonObject[] = []
  let y = 0
  for (const { title, panels } of rows) {
    placed.push({
      id: placed.length + 1,
      type: 'row',
      title,
      gridPos: { x: 0, y, w: columns, h: 1 },
      panels: [],
    })
    y += 1
    let x = 0
    let height = 0
    for (const panel of panels) {
      if (x + panel.width > columns) {
        y += height
        x = 0
        height = 0
      }
      const h = heights[panel.type]
      placed.push({ id: placed.length + 1, ...panelOf(panel), gridPos: { x, y, w: panel.width, h } })
      x += panel.width
      height = Math.max(height, h)
    }
    y += height
  }
  return placed
}

function panelOf({ title, description, type, unit, queries, isStacked = false }: Panel): JsonObject {
  const stacking = { mode: isStacked ? 'normal' : 'none' }
  const custom = { fillOpacity: isStacked ? 30 : 0, stacking }
  return {
    title,
    description,
    type,
    datasource,
    fieldConfig: { defaults: { unit, ...(type === 'timeseries' ? { custom } : {}) }, overrides: [] },
    targets: queries.map(({ expr, legend = '' }, index) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + index),
      datasource,
      expr,
      legendFormat: legend,
      // A number is of this moment.
      ...(type === 'timeseries' ? {} : { instant: true }),
    })),
  }
}
