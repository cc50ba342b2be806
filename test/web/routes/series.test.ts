// Series over HTTP: real nats-server, real TimescaleDB, the program itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExposition, valueOf } from '../../support/exposition.ts'
import { until, withMonitor } from '../../support/monitor.ts'

interface Series {
  readonly source: string
  readonly bucket: string | null
  readonly timestamps: readonly string[]
  readonly fields: Readonly<Record<string, Record<string, readonly unknown[]>>>
}

test('a reading is in the series of its machine as soon as it is stored, raw and by buckets', () =>
  withMonitor(async (monitor) => {
    assert.equal((await monitor.command(['publish-test-data'])).code, 0)
    await monitor.settled()
    const path = '/api/v1/machines/CNC-001/series'
    const raw = (await monitor.get(path)) as Series
    assert.deepEqual([raw.source, raw.bucket, raw.timestamps.length], ['raw', null, 1])
    assert.deepEqual(raw.fields['temperature'], [65.5])
    assert.deepEqual(raw.fields['machine_state'], ['RUNNING'])
    for (const bucket of ['1m', '1h', '1d']) {
      const buckets = (await monitor.get(
        `${path}?bucket=${bucket}&fields=temperature,machine_state`,
      )) as Series
      const { temperature, machine_state: state } = buckets.fields
      const found = (column: readonly unknown[] | undefined) => column?.filter((one) => one !== null)
      assert.equal(temperature?.['min']?.length, buckets.timestamps.length, bucket)
      assert.deepEqual(
        (['min', 'avg', 'max', 'count'] as const).map((name) => found(temperature?.[name])),
        [[65.5], [65.5], [65.5], [1]],
        bucket,
      )
      assert.deepEqual([found(state?.['first']), found(state?.['last'])], [['RUNNING'], ['RUNNING']])
    }
    // As far as times go, and an id that nobody has heard of.
    for (const query of [
      'start_time=0001-01-01T00:00:00Z&end_time=9999-12-31T23:59:59.999999Z&points=1',
      'start_time=0001-01-01T00:00:00Z&end_time=9999-12-31T23:59:59.999999Z&points=10000',
      'start_time=9999-12-31T23:00:00Z&end_time=9999-12-31T23:59:59.999999Z&bucket=1s',
    ]) {
      assert.equal((await fetch(`${monitor.endpoints.http}${path}?${query}`)).status, 200, query)
    }
    const nobody = (await monitor.get('/api/v1/machines/a%2Fb/series')) as Series
    assert.deepEqual(nobody.timestamps, [])

    const bad = await fetch(`${monitor.endpoints.http}${path}?bucket=1s`)
    assert.equal(bad.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    const { code, field } = (await bad.json()) as Record<string, string>
    assert.deepEqual([bad.status, code, field], [400, 'invalid_parameter', 'bucket'])

    await until('the job has run', async () => {
      const families = parseExposition(await (await fetch(`${monitor.endpoints.http}/metrics`)).text())
      return valueOf(families, 'cnc_monitor_aggregates_last_success_timestamp_seconds') !== undefined
    })
  }))
