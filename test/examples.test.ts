// The examples, run as their readers run them: against a monitor with real servers. The browser's page is opened in
// Chromium where there is one.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { chromium } from 'playwright-core'
import { parse } from 'yaml'
import { type TestMonitor, until, withMonitor } from './support/monitor.ts'
import { freePort } from './support/ports.ts'
import { withStore } from './support/store.ts'

const EXAMPLES = join(import.meta.dirname, '../examples')
const CHROMIUM = '/usr/bin/chromium'
const LIMIT_MS = 60_000

interface Ended {
  readonly code: number | null
  readonly output: string
}

async function run(program: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

async function post(monitor: TestMonitor, reading: object): Promise<void> {
  const response = await fetch(`${monitor.endpoints.http}/api/v1/readings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ timestamp: new Date().toISOString(), ...reading }),
  })
  assert.equal(response.status, 202)
}

test('the examples run', async (t) => {
  const page = await servePage()
  try {
    await withMonitor(
      async (monitor) => {
        await post(monitor, { machine_id: 'CNC-001', machine_state: 'RUNNING', temperature: 41.5 })
        await monitor.settled()

        await t.test('curl', async () => {
          const { code, output } = await run(join(EXAMPLES, 'curl/tour.sh'), [monitor.endpoints.http])
          assert.equal(code, 0, output)
          for (const expected of [
            /"accepted":3/,
            /"code":"missing_field"/,
            /"name":"Mill of the tour"/,
            /link: <.*cursor=.*>; rel="next"/i,
            /^machine_id,timestamp,/m,
            /^\{"machine_id":"TOUR-1","timestamp":"[^"]*","temperature":12.5\}$/m,
            /"bucket":"10s".*"temperature":\{"min":\[null,10.5,null/,
            /^event: sensor_data$/m,
            /"growth":/,
            /"readings":"deleted","readings_deleted":4/,
          ]) {
            assert.match(output, expected)
          }
        })

        await t.test('node', async () => {
          const file = join(monitor.stateDir, 'readings.csv')
          const { code, output } = await run(process.execPath, [
            join(EXAMPLES, 'node/watch-and-export.js'),
            monitor.endpoints.http,
            'CNC-001',
            file,
            '2',
          ])
          assert.equal(code, 0, output)
          assert.match(output, /Z CNC-001 RUNNING$/m)
          const [header, ...rows] = readFileSync(file, 'utf8').trim().split('\r\n')
          assert.match(header ?? '', /^machine_id,timestamp,temperature,/)
          assert.deepEqual([rows.length, rows[0]?.startsWith('"CNC-001",')], [1, true])
        })

        await t.test('browser', (t) => openPage(t, monitor, page.origin))
      },
      { LIVE_ORIGINS: page.origin },
    )
  } finally {
    await page.close()
  }
})

/** The folder of the page, on an origin of its own. */
async function servePage(): Promise<{ origin: string; close(): Promise<void> }> {
  const html = readFileSync(join(EXAMPLES, 'browser/index.html'))
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(html)
  })
  server.listen(await freePort(), '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function openPage(t: TestContext, monitor: TestMonitor, origin: string): Promise<void> {
  if (!existsSync(CHROMIUM)) return t.skip(`there is no ${CHROMIUM}; the page was not opened`)
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  })
  try {
    const page = await browser.newPage()
    const wrong: string[] = []
    page.on('pageerror', ({ message }) => wrong.push(message))
    await page.goto(`${origin}/?monitor=${encodeURIComponent(monitor.endpoints.http)}`)
    const row = page.locator('#machines tr', { hasText: 'CNC-001' })
    await row.waitFor({ timeout: LIMIT_MS })
    assert.equal(await page.textContent('#connection'), 'live')
    await post(monitor, { machine_id: 'CNC-001', machine_state: 'ALARM <b>1</b>', temperature: 42.25 })
    await until('the page shows the new state', async () =>
      ((await row.textContent()) ?? '').includes('ALARM <b>1</b>'),
    )
    await row.click()
    await until('the page shows the last hour', async () =>
      ((await page.textContent('#series')) ?? '').includes('to 42.25 °C'),
    )
    assert.deepEqual(wrong, [])
  } finally {
    await browser.close()
  }
}

interface Dashboard {
  readonly templating: { readonly list: readonly { readonly query: string }[] }
  readonly panels: readonly {
    readonly title: string
    readonly datasource: { readonly uid: string }
    readonly targets: readonly { readonly rawSql: string; readonly format: string }[]
  }[]
}

test('every statement of the Grafana dashboard runs, and names a time where it has to', () =>
  withStore(async (pool) => {
    const read = (file: string) => readFileSync(join(EXAMPLES, 'grafana', file), 'utf8')
    const { datasources } = parse(read('datasource.yaml')) as { datasources: { uid: string }[] }
    const { panels, templating } = JSON.parse(read('dashboard.json')) as Dashboard
    assert.ok(panels.length > 0)
    for (const { query } of templating.list) {
      const { fields } = await pool.query(query)
      assert.deepEqual(
        fields.map(({ name }) => name),
        ['__value', '__text'],
      )
    }
    for (const { title, datasource, targets } of panels) {
      assert.equal(datasource.uid, datasources[0]?.uid, title)
      for (const { rawSql, format } of targets) {
        const sql = rawSql
          .replaceAll('${machine:sqlstring}', "'M''1'")
          .replaceAll(
            /\$__timeFilter\((\w+)\)/g,
            "$1 BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-02T00:00:00Z'",
          )
        assert.doesNotMatch(sql, /\$/, title)
        const { fields } = await pool.query(sql)
        if (format === 'time_series') assert.equal(fields[0]?.name, 'time', title)
      }
    }
  }))
