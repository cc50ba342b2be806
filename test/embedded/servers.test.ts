import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import pg from 'pg'
import { connectToNats } from '../../src/broker/connect.ts'
import { acquireFolderLock } from '../../src/embedded/folder-lock.ts'
import {
  startEmbeddedServers,
  type EmbeddedOptions,
  type EmbeddedServers,
} from '../../src/embedded/servers.ts'
import { openStateFolder } from '../../src/embedded/state-folder.ts'
import { until } from '../support/monitor.ts'
import { isAlive } from '../support/nats.ts'

const ANY = { port: 0, isPortFixed: false }
const LIMIT_MS = 15_000

async function withServers(
  wanted: Pick<EmbeddedOptions, 'nats' | 'database'>,
  run: (servers: EmbeddedServers, warnings: string[]) => Promise<void>,
): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  const folder = await openStateFolder(join(home, 'state'))
  const warnings: string[] = []
  const log = { info: () => {}, warn: (line: string) => void warnings.push(line) }
  let servers: EmbeddedServers | undefined
  try {
    servers = await startEmbeddedServers({ folder, ...wanted, log, signal: new AbortController().signal })
    await run(servers, warnings)
  } finally {
    await servers?.stop()
    folder.close()
    await rm(home, { recursive: true, force: true })
  }
}

test('both servers start at once, answer, and are gone after stop', async () => {
  await withServers({ nats: ANY, database: ANY }, async (servers) => {
    const connection = await connectToNats({ url: servers.natsUrl ?? '', name: 'test' })
    await connection.close()
    const client = new pg.Client(servers.databaseUrl ?? '')
    await client.connect()
    assert.deepEqual((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }])
    await client.end()
    const { nats, database } = servers.pids()
    await Promise.all([servers.stop(), servers.stop()])
    assert.deepEqual([isAlive(nats ?? 0), isAlive(database ?? 0)], [false, false])
  })
})

test('a server that was not wanted is not started', () =>
  withServers({ nats: ANY, database: null }, async (servers) => {
    assert.equal(servers.databaseUrl, null)
    assert.equal(servers.pids().database, null)
  }))

test('a nats-server that was killed is started again on the same port, with a warning', () =>
  withServers({ nats: ANY, database: null }, async (servers, warnings) => {
    const killed = servers.pids().nats ?? 0
    process.kill(killed, 'SIGKILL')
    await until('another server runs', () => servers.pids().nats !== killed, LIMIT_MS)
    const connection = await connectToNats({ url: servers.natsUrl ?? '', name: 'test' })
    await connection.close()
    assert.match(warnings.join('\n'), /nats-server ended/)
  }))

test('a database that was killed is started again on the same port with what was committed', () =>
  withServers({ nats: null, database: ANY }, async (servers, warnings) => {
    const ask = async (sql: string) => {
      const client = new pg.Client(servers.databaseUrl ?? '')
      await client.connect()
      try {
        return await client.query(sql)
      } finally {
        await client.end()
      }
    }
    await ask('CREATE TABLE kept AS SELECT 7 AS seven')
    const killed = servers.pids().database ?? 0
    process.kill(killed, 'SIGKILL')
    await until('another database runs', () => servers.pids().database !== killed, LIMIT_MS)
    assert.deepEqual((await ask('SELECT seven FROM kept')).rows, [{ seven: 7 }])
    assert.match(warnings.join('\n'), /database ended/)
  }))

test('a start that is called off ends what it had begun', async () => {
  const home = await mkdtemp(join(tmpdir(), 'cnc-monitor-test-'))
  const folder = await openStateFolder(join(home, 'state'))
  const log = { info: () => {}, warn: () => {} }
  try {
    const signal = AbortSignal.timeout(300)
    await assert.rejects(startEmbeddedServers({ folder, nats: ANY, database: ANY, log, signal }))
    const pid = Number(await readFile(join(folder.path, 'nats', 'nats-server.pid'), 'utf8').catch(() => '0'))
    assert.ok(pid === 0 || !isAlive(pid), 'the nats-server still runs')
    const lock = await acquireFolderLock(join(folder.path, 'database'), { waitMs: 0 })
    lock.release()
  } finally {
    folder.close()
    await rm(home, { recursive: true, force: true })
  }
})

for (const afterMs of [0, 220, 300, 400]) {
  test(`stop ends everything ${afterMs} ms after a server was killed, while it is started again`, () =>
    withServers({ nats: ANY, database: null }, async (servers) => {
      const killed = servers.pids().nats ?? 0
      process.kill(killed, 'SIGKILL')
      await until('it is gone', () => !isAlive(killed), LIMIT_MS)
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      const late = Promise.withResolvers<never>()
      const limit = setTimeout(() => late.reject(new Error('stop() did not come back')), LIMIT_MS)
      await Promise.race([servers.stop(), late.promise]).finally(() => clearTimeout(limit))
      assert.ok(!isAlive(servers.pids().nats ?? 0), 'a server still runs')
    }))
}

test('when one server cannot start, the other is ended and the reason given', async () => {
  await withServers({ nats: ANY, database: null }, async (holder) => {
    const port = Number(new URL(holder.natsUrl ?? '').port)
    await assert.rejects(
      withServers({ nats: { port, isPortFixed: true }, database: ANY }, async () => {}),
      new RegExp(`Port ${port} is taken`),
    )
  })
})
