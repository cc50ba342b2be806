// deploy/grafana/cnc-monitor.json, made from the rows: Grafana's format says everything twice and more.
import { rows, type Panel } from './dashboard-rows.ts'

/** The selection of the variables, as label matchers. */
const OF = 'job=~"$job", instance=~"$instance"'
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }
const WIDTH = 24

/** The dashboard as Grafana imports it. */
export function dashboard(): unknown {
  return {
    title: 'CNC monitor',
    uid: 'cnc-monitor',
    description:
      'Readings from NATS JetStream into TimescaleDB. What the figures mean: docs/metrics.md and docs/operations.md.',
    tags: ['cnc-monitor'],
    schemaVersion: 41,
    editable: true,
    graphTooltip: 1,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [datasourceVariable(), labelVariable('job', ''), labelVariable('instance', '{job=~"$job"}')],
    },
    panels: layOut(),
  }
}

function layOut(): unknown[] {
  const panels: unknown[] = []
  let y = 0
  for (const [title, inRow] of Object.entries(rows)) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { h: 1, w: WIDTH, x: 0, y },
      panels: [],
    })
    y += 1
    const isStats = inRow.every(({ kind }) => kind === 'stat')
    const perLine = isStats ? inRow.length : 3
    const [h, w] = [isStats ? 4 : 8, WIDTH / perLine]
    inRow.forEach((panel, i) => {
      const gridPos = { h, w, x: (i % perLine) * w, y: y + Math.floor(i / perLine) * h }
      panels.push({ id: panels.length + 1, gridPos, ...panelOf(panel) })
    })
    y += Math.ceil(inRow.length / perLine) * h
  }
  return panels
}

function panelOf({ title, kind, unit, meaning, queries }: Panel): object {
  return {
    type: kind,
    title,
    description: meaning,
    datasource: DATASOURCE,
    targets: Object.entries(queries).map(([legendFormat, expr], i) => ({
      refId: String.fromCodePoint(65 + i),
      datasource: DATASOURCE,
      expr: expr.replaceAll('{$of}', `{${OF}}`),
      legendFormat,
      // A stat shows what is now: a series that has ended must not linger in it.
      ...(kind === 'stat' ? { instant: true, range: false } : { range: true }),
    })),
    ...(kind === 'stat' ? statLooks() : seriesLooks(unit)),
  }
}

/** 0 is red, anything above it green. */
function statLooks(): object {
  const steps = [
    { color: 'red', value: null },
    { color: 'green', value: 1 },
  ]
  return {
    fieldConfig: { defaults: { unit: 'none', thresholds: { mode: 'absolute', steps } }, overrides: [] },
    options: {
      colorMode: 'background',
      graphMode: 'none',
      textMode: 'value_and_name',
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    },
  }
}

function seriesLooks(unit: string): object {
  return {
    fieldConfig: {
      defaults: {
        unit,
        custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'never', spanNulls: false },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  }
}

function datasourceVariable(): object {
  return { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', refresh: 1 }
}

/** A variable over the values of a label of all monitors. */
function labelVariable(label: string, of: string): object {
  const query = `label_values(cnc_monitor_build_info${of}, ${label})`
  return {
    name: label,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: label },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    current: { text: 'All', value: '$__all' },
  }
}
