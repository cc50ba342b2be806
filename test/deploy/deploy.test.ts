// What is given to those who run the monitor speaks only of metrics, labels and headings that exist.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { openMetrics } from '../../src/metrics.ts'
import { selectorsOf } from '../support/promql.ts'
import { promtoolCheck } from '../support/promtool.ts'

const root = join(import.meta.dirname, '../..')
const ALERTS = 'deploy/prometheus/alerts.yml'
const PROMETHEUS = 'deploy/prometheus/prometheus.yml'
const DASHBOARD = 'deploy/grafana/cnc-monitor.json'
const OPERATIONS = 'docs/operations.md'

const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
const { groups } = parse(read(ALERTS)) as { groups: readonly { readonly rules: readonly Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
}
const dashboard = JSON.parse(read(DASHBOARD)) as {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
}
const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr))

/** Every series of the registry, with its labels: histograms by the names under which they are stored. */
function seriesOfRegistry(): ReadonlyMap<string, readonly string[]> {
  const { registry } = openMetrics({
    version: 'any',
    readiness: () => ({ ready: false, checks: {} }),
    broker: () => ({ standing: null, lastSuccessMs: null }),
  })
  const declared = registry.getMetricsAsArray() as unknown as {
    readonly name: string
    readonly type: string
    readonly labelNames: readonly string[]
  }[]
  return new Map(
    declared.flatMap(({ name, type, labelNames }) =>
      type === 'histogram'
        ? [
            [`${name}_bucket`, [...labelNames, 'le']],
            [`${name}_sum`, labelNames],
            [`${name}_count`, labelNames],
          ]
        : [[name, labelNames]],
    ),
  )
}

/** Added by Prometheus itself. */
const TARGET_LABELS = ['job', 'instance']

test('dashboard and alerts read only metrics and labels that exist', () => {
  const series = seriesOfRegistry()
  for (const expression of [...queries, ...rules.map(({ expr }) => expr)]) {
    const selectors = selectorsOf(expression)
    assert.ok(selectors.length > 0, expression)
    for (const { metric, labels } of selectors) {
      const known = metric === 'up' ? [] : series.get(metric)
      assert.ok(known, `${metric} does not exist: ${expression}`)
      for (const label of labels) {
        assert.ok(
          [...known, ...TARGET_LABELS].includes(label),
          `${metric} has no label ${label}: ${expression}`,
        )
      }
    }
  }
})

test('every metric of the pipeline is on the dashboard or in an alert', () => {
  const used = new Set(
    [...queries, ...rules.map(({ expr }) => expr)].flatMap(selectorsOf).map(({ metric }) => metric),
  )
  const unused = [...seriesOfRegistry().keys()].filter(
    (name) => name.startsWith('cnc_monitor_') && ![...used].some((one) => familyOf(one) === familyOf(name)),
  )
  // They say when and where exactly, for whoever looks into one of the others.
  assert.deepEqual(unused, [
    'cnc_monitor_dependency_last_success_timestamp_seconds',
    'cnc_monitor_broker_poll_last_success_timestamp_seconds',
    'cnc_monitor_consumer_redelivered_messages',
    'cnc_monitor_consumer_delivered_stream_sequence',
    'cnc_monitor_consumer_ack_floor_stream_sequence',
    'cnc_monitor_stream_last_sequence',
    'cnc_monitor_stream_messages',
    'cnc_monitor_aggregates_last_success_timestamp_seconds',
    'cnc_monitor_aggregates_last_failure_timestamp_seconds',
  ])
})

function familyOf(series: string): string {
  return series.replace(/_(bucket|sum|count)$/, '')
}

test('the labels by which alerts and dashboard group exist on what they group', () => {
  const series = seriesOfRegistry()
  for (const expression of [...queries, ...rules.map(({ expr }) => expr)]) {
    const labels = selectorsOf(expression).flatMap(({ metric }) => series.get(metric) ?? [])
    for (const [, list = ''] of expression.matchAll(/\b(?:by|on) \(([^)]*)\)/g)) {
      for (const label of list.split(',').map((one) => one.trim())) {
        assert.ok([...labels, ...TARGET_LABELS].includes(label), `${label} in ${expression}`)
      }
    }
  }
})

test('every alert says what it is, how bad, and has its place in the runbook', () => {
  const headings = [...read(OPERATIONS).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^CncMonitor[A-Z]\w+$/)
    assert.match(labels['severity'] ?? '', /^(critical|warning)$/)
    assert.ok(annotations['summary'] && annotations['description'], alert)
    assert.equal(annotations['runbook'], `${OPERATIONS}#${alert.toLowerCase()}`)
    assert.ok(headings.includes(alert), `${OPERATIONS} has no heading ${alert}`)
  }
  const alerts = rules.map(({ alert }) => alert)
  assert.equal(new Set(alerts).size, alerts.length)
  assert.deepEqual(
    headings.filter((heading) => /^CncMonitor\w+$/.test(heading) && !alerts.includes(heading)),
    [],
    'the runbook speaks of alerts that do not exist',
  )
})

test('the documents name only metrics that exist', () => {
  const names = [...seriesOfRegistry().keys()].flatMap((name) => [name, familyOf(name)])
  for (const path of [OPERATIONS, 'docs/metrics.md', 'docs/http-api.md']) {
    for (const [name] of read(path).matchAll(/\b(?:cnc_monitor|process|nodejs)_\w+/g)) {
      assert.ok(names.includes(name), `${path}: ${name}`)
    }
  }
})

test('the dashboard has every panel once, none beside the grid, and none over another', () => {
  const { panels } = dashboard
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const taken = new Map<string, string>()
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.equal(taken.get(`${x},${y}`), undefined, `${title} lies over another panel`)
        taken.set(`${x},${y}`, title)
      }
    }
  }
})

test('the dashboard uses only variables that it declares', () => {
  const declared = dashboard.templating.list.map(({ name }) => name)
  const used = [...read(DASHBOARD).matchAll(/\$\{?([a-z]\w*)/g)].map(([, name = '']) => name)
  assert.deepEqual([...new Set(used)].toSorted(), declared.toSorted())
})

test('promtool has nothing to say about the alert rules and the example', (t) => {
  promtoolCheck(t, ['check', 'rules', join(root, ALERTS)])
  promtoolCheck(t, ['check', 'config', join(root, PROMETHEUS)])
})

test('the alerts fire when they should and stay silent when they should', (t) => {
  promtoolCheck(t, ['test', 'rules', join(import.meta.dirname, 'alerts.test.yml')])
})

test("promtool reads every query of the dashboard once Grafana's variables are filled in", async (t) => {
  const expressions = queries.map((query) =>
    query.replaceAll(/\$(job|instance)/g, '.*').replaceAll('$__rate_interval', '1m'),
  )
  const asRules = expressions.map((expr, i) => ({ record: `query:${i}`, expr }))
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    const file = join(folder, 'dashboard.yml')
    await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: asRules }] }))
    promtoolCheck(t, ['check', 'rules', '--lint=none', file])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
