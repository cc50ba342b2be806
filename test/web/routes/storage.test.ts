// The storage report over HTTP: real nats-server, real TimescaleDB, the program itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until, withMonitor } from '../../support/monitor.ts'

test('storage is reported for the embedded servers', () =>
  withMonitor(async (monitor) => {
    const storage = () => monitor.get('/api/v1/storage') as Promise<Record<string, Record<string, unknown>>>
    assert.equal((await monitor.command(['stress'])).code, 0)
    await monitor.settled()
    await until('NATS was asked', async () => (await storage())['stream'] !== null, 30_000)
    await until(
      'the readings are counted',
      async () => (await storage())['readings']?.['rows_estimate'] === 100,
    )
    const report = await storage()
    const { database, readings, dead_letters: letters, stream, growth } = report
    assert.ok(Number(database?.['bytes']) > 1_000_000 && Number(database?.['free_bytes']) > 0)
    assert.equal(readings?.['rows_estimate'], 100)
    assert.deepEqual([readings?.['chunks'], readings?.['compressed_chunks']], [1, 0])
    assert.ok(Math.abs(Date.parse(String(readings?.['newest'])) - Date.now()) < 120_000)
    assert.ok(Number(readings?.['bytes_per_reading']) > 100)
    assert.equal(letters?.['rows_estimate'], 1)
    assert.equal(stream?.['max_bytes'], 10 * 2 ** 30)
    assert.deepEqual([growth?.['bytes_per_day'], growth?.['full_on']], [null, null])
    const policies = report['policies'] as unknown as Record<string, unknown>[]
    const retention = policies.find(({ name }) => name === 'retention')
    assert.deepEqual([retention?.['table'], retention?.['schedule_seconds']], ['sensor_data', 60])
    const all = await Promise.all([storage(), storage(), storage()])
    assert.equal(new Set(all.map(({ as_of }) => as_of)).size, 1)

    const bad = await fetch(`${monitor.endpoints.http}/api/v1/storage?table=sensor_data`)
    assert.deepEqual([bad.status, ((await bad.json()) as { field: string }).field], [400, 'table'])
  }))
