// Readings as a client gets them: the real database, real connections, clients that behave and clients that do not.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from '../../src/store/pool.ts'
import { withApi } from '../support/api.ts'
import { csvRecords } from '../support/csv.ts'
import { withCutProxy } from '../support/cut-proxy.ts'
import { until } from '../support/monitor.ts'
import { withStore } from '../support/store.ts'

const MANY = 40_000
/** Together more than what sockets on the way hold. */
const LARGE = `
  INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, program)
  SELECT 'large', '2026-02-01T00:00:00Z'::timestamptz + n * interval '1 second', n, 0, now(), n, repeat('p', 500)
  FROM generate_series(1, ${MANY}) n`
const SMALL = `
  INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, part_count, program, alarms, extra)
  SELECT id, '2026-02-01T00:00:00.000001Z'::timestamptz + n * interval '7 hours', n, 0, now(), n / 2.0, 9007199254740991 - n,
    E'a "b", c\\r\\nd', '[{"code":"1","text":"t, \\"u\\"","severity":"fault"}]', '{"heat":1,"né":[null]}'
  FROM unnest($1::text[]) id, generate_series(1, 7) n`
const ODD_IDS = ['a', 'b', 'say "x", y', "it's;\\", 'Fräse 😀', '=1+1', ' ', '100%&?#/']

async function withReadings(
  run: (url: string, pool: Pool, databaseUrl: string) => Promise<void>,
): Promise<void> {
  await withStore(async (pool, databaseUrl) => {
    await pool.query(SMALL, [ODD_IDS])
    await pool.query(LARGE)
    await pool.query(
      'INSERT INTO machines (id, registered) SELECT DISTINCT machine_id, false FROM sensor_data',
    )
    await withApi(databaseUrl, (url) => run(url, pool, databaseUrl))
  })
}

test('readings leave in every form, whole and in pages, to whoever reads them', async (t) => {
  await withReadings(async (url, pool, databaseUrl) => {
    const fetched = (path: string, accept?: string) =>
      fetch(url + path, accept === undefined ? {} : { headers: { accept } })
    const text = async (path: string) => (await fetched(path)).text()
    const parsed = async (path: string) => JSON.parse(await text(path)) as Record<string, unknown>[]

    await t.test('the plain call answers an array, oldest first, to the microsecond', async () => {
      const readings = await parsed('/api/v1/machines/a/data')
      assert.equal(readings.length, 7)
      assert.deepEqual(readings[0], {
        machine_id: 'a',
        timestamp: '2026-02-01T07:00:00.000001Z',
        temperature: 0.5,
        program: 'a "b", c\r\nd',
        part_count: 9007199254740990,
        alarms: [{ code: '1', text: 't, "u"', severity: 'fault' }],
        heat: 1,
        né: [null],
      })
      assert.equal(await text('/api/v1/machines/nobody/data'), '[]')
      const at = '2026-02-01T07:00:00.000001Z'
      const before = '2026-02-01T07:00:00Z'
      assert.equal((await parsed(`/api/v1/machines/a/data?start_time=${at}&end_time=${at}`)).length, 1)
      assert.equal((await parsed(`/api/v1/machines/a/data?end_time=${before}`)).length, 0)
      assert.equal((await parsed(`/api/v1/machines/a/data?start_time=2026-02-01T07:00:00.000002Z`)).length, 6)
    })

    await t.test('the form is chosen by parameter, or else by Accept', async () => {
      const typeOf = async (path: string, accept?: string) => {
        const response = await fetched(path, accept)
        await response.arrayBuffer()
        return response.headers.get('content-type')?.split(';')[0]
      }
      const path = '/api/v1/machines/a/data'
      assert.equal(await typeOf(path), 'application/json')
      assert.equal(await typeOf(path, 'text/html,*/*;q=0.8'), 'application/json')
      assert.equal(await typeOf(path, 'text/csv'), 'text/csv')
      assert.equal(await typeOf(path, 'text/csv;q=0.5, application/x-ndjson'), 'application/x-ndjson')
      assert.equal(await typeOf(`${path}?format=csv`, 'application/json'), 'text/csv')
      assert.equal(await typeOf(`${path}?format=ndjson`), 'application/x-ndjson')
    })

    await t.test('ids and texts of any kind survive CSV', async () => {
      for (const id of ODD_IDS) {
        const path = `/api/v1/machines/${encodeURIComponent(id)}/data`
        const [header = [], ...records] = csvRecords(await text(`${path}?format=csv`))
        const readings = await parsed(path)
        assert.equal(records.length, 7)
        records.forEach((record, i) => {
          const cell = (name: string) => record[header.indexOf(name)] ?? assert.fail(`${name} is missing`)
          const { machine_id, timestamp, program, alarms, heat } = readings[i] ?? {}
          assert.deepEqual(
            [cell('machine_id'), cell('timestamp'), cell('program')],
            [machine_id, timestamp, program],
          )
          assert.deepEqual(
            [JSON.parse(cell('alarms')), (JSON.parse(cell('extra')) as { heat: 1 }).heat],
            [alarms, heat],
          )
          assert.equal(machine_id, id)
        })
      }
      const narrow = await text('/api/v1/machines/nobody/data?format=csv&fields=extra,temperature,machine_id')
      assert.equal(narrow, 'machine_id,timestamp,temperature,extra\r\n')
    })

    await t.test('pages by Link put together are the whole, of one machine and of several', async () => {
      const some = ODD_IDS.map((id) => `machine_id=${encodeURIComponent(id)}`).join('&')
      for (const [path, limit] of [
        ['/api/v1/machines/a/data?', 3],
        [`/api/v1/data?${some}`, 20],
      ] as const) {
        for (const order of ['asc', 'desc']) {
          for (const format of ['ndjson', 'csv', 'json']) {
            const whole = await linesOf(`${path}&order=${order}&format=${format}`)
            const pages: string[] = []
            for (
              let next: string | null = `${path}&order=${order}&format=${format}&limit=${limit}`;
              next !== null;
            ) {
              const response = await fetched(next)
              pages.push(...lines(await response.text(), format))
              next = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? null
            }
            assert.equal(whole.length, path.includes('machines') ? 7 : 7 * ODD_IDS.length)
            assert.deepEqual(pages, whole)
          }
        }
      }

      async function linesOf(path: string): Promise<string[]> {
        return lines(await text(path), /format=(\w+)/.exec(path)?.[1] ?? '')
      }
      function lines(body: string, format: string): string[] {
        if (format === 'json')
          return (JSON.parse(body) as unknown[]).map((reading) => JSON.stringify(reading))
        if (format === 'csv')
          return csvRecords(body)
            .slice(1)
            .map((record) => JSON.stringify(record))
        return body.split('\n').slice(0, -1)
      }
    })

    await t.test('all machines come one after the other', async () => {
      const readings = await parsed('/api/v1/data?fields=temperature')
      assert.equal(readings.length, MANY + 7 * ODD_IDS.length)
      const ids = readings.map((reading) => reading['machine_id'])
      assert.equal(ids.filter((id, i) => id !== ids[i - 1]).length, ODD_IDS.length + 1)
    })

    await t.test('a wrong parameter is a problem that names it', async () => {
      const link = (await fetched('/api/v1/machines/a/data?limit=1')).headers.get('link') ?? ''
      const cursor = /cursor=([\w-]+)/.exec(link)?.[1] ?? assert.fail(link)
      const forged = (...parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString('base64url')
      const own = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[]
      const one = '/api/v1/machines/a/data?'
      const cases: [path: string, field: string][] = [
        [`${one}start_time=yesterday`, 'start_time'],
        [`${one}start_time=2026-01-01T00:00:00`, 'start_time'],
        [`${one}end_time=`, 'end_time'],
        [`${one}end_time=2026-02-30T00:00:00Z`, 'end_time'],
        [`${one}end_time=2026-01-01T00:00:00Z&end_time=2026-01-01T00:00:00Z`, 'end_time'],
        ...['0', '10001', '-1', '1.5', 'many', ''].map((value): [string, string] => [
          `${one}limit=${value}`,
          'limit',
        ]),
        [`${one}order=random`, 'order'],
        [`${one}order=asc&order=asc`, 'order'],
        [`${one}format=xml`, 'format'],
        [`${one}fields=`, 'fields'],
        [`${one}fields=temperature,heat`, 'fields'],
        [`${one}fields=temperature&fields=extra`, 'fields'],
        [`${one}machine_id=a`, 'machine_id'],
        [`${one}colour=red`, 'colour'],
        [`${one}cursor=`, 'cursor'],
        [`${one}cursor=abc`, 'cursor'],
        [`${one}cursor=${'A'.repeat(3_000)}`, 'cursor'],
        [`${one}cursor=${forged(...own.slice(0, 3), '9'.repeat(19), 0)}`, 'cursor'],
        [`${one}cursor=${forged(...own.slice(0, 3), '1); DROP TABLE sensor_data; --', 0)}`, 'cursor'],
        [`${one}cursor=${forged(...own.slice(0, 4), 2 ** 31)}`, 'cursor'],
        [`${one}cursor=${forged(...own, 1)}`, 'cursor'],
        [`${one}cursor=${forged(own[0], 'a', "'", own[3], 0)}`, 'cursor'],
        [`${one}cursor=${cursor}&order=desc`, 'cursor'],
        [`/api/v1/machines/b/data?cursor=${cursor}`, 'cursor'],
        [`/api/v1/data?cursor=${cursor}`, 'cursor'],
        ['/api/v1/machines/a%00b/data', 'id'],
        ['/api/v1/data?machine_id=', 'machine_id'],
        ['/api/v1/data?machine_id=a%00', 'machine_id'],
        [`/api/v1/data?${'machine_id=a&'.repeat(1_001)}`, 'machine_id'],
      ]
      for (const [path, field] of cases) {
        const response = await fetched(path)
        assert.equal(response.status, 400, path)
        assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/)
        const problem = (await response.json()) as { code: string; field: string; detail: string }
        assert.deepEqual([problem.code, problem.field], ['invalid_parameter', field], path)
        assert.ok(problem.detail.length > 20)
      }
    })

    await t.test('clients that do not read, or hang up, leave the database free', async () => {
      const path = '/api/v1/machines/large/data?format=ndjson'
      const slow = await opened(url + path)
      const gone = await Promise.all(Array.from({ length: 10 }, () => opened(url + path)))
      for (const response of gone) {
        await once(response, 'readable')
        response.destroy()
      }
      // A byte at a time, and nothing else of it is asked for.
      const bytes: Buffer[] = []
      for (let i = 0; i < 3; i++) {
        const byte = slow.read(1) as Buffer | null
        if (byte !== null) bytes.push(byte)
        await sleep(1_000)
      }
      await until('no statement and no transaction of an export is open', async () => {
        if (process.env['TEST_DATABASE_URL'] === undefined) return true // one session: the next query tells
        const { rows } = await pool.query<{ state: string }>(
          `SELECT state FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'cnc-monitor exports' AND state <> 'idle'`,
        )
        return rows.length === 0
      })
      assert.equal((await parsed('/api/v1/machines/a/data')).length, 7)
      for await (const chunk of slow) bytes.push(chunk as Buffer)
      const found = Buffer.concat(bytes).toString().split('\n')
      assert.equal(found.length, MANY + 1)
      assert.equal((JSON.parse(found[MANY - 1] ?? '') as { temperature: number }).temperature, MANY)
    })

    await t.test('a database that is away before the first byte is a 503, later the answer is cut', () =>
      withCutProxy(databaseUrl, (proxy) =>
        withApi(proxy.url, async (cutUrl) => {
          const response = await opened(`${cutUrl}/api/v1/machines/large/data`)
          await once(response, 'readable')
          const cutting = setInterval(() => proxy.cut(), 1)
          try {
            await assert.rejects(async () => {
              for await (const chunk of response) assert.ok(chunk)
            })
            const refused = await fetch(`${cutUrl}/api/v1/machines/large/data`)
            assert.equal(refused.status, 503)
            assert.equal(((await refused.json()) as { code: string }).code, 'unavailable')
          } finally {
            clearInterval(cutting)
          }
        }),
      ),
    )
  })
})

/** With its headers read and nothing else. */
async function opened(url: string): Promise<IncomingMessage> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage]
  assert.equal(response.statusCode, 200)
  response.pause()
  return response
}
