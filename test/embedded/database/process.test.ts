import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import {
  type DatabaseProcess,
  endDatabaseProcess,
  spawnDatabaseProcess,
  withDatabase,
} from '../../support/embedded-database.ts'

async function withClient<T>(url: string, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  try {
    return await run(client)
  } finally {
    await client.end()
  }
}

/** A process with these settings, ended whatever happens. */
async function withProcess(
  settings: object,
  run: (running: DatabaseProcess) => Promise<void>,
): Promise<void> {
  const running = spawnDatabaseProcess({ host: '127.0.0.1', port: 0, password: 'x', ...settings })
  try {
    await run(running)
  } finally {
    await endDatabaseProcess(running)
  }
}

async function withHome(run: (home: string) => Promise<void>): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'cnc-monitor-test-'))
  try {
    await run(home)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('kill -9 in the middle of writes keeps every acknowledged row exactly once', () =>
  withDatabase(async (database) => {
    await withClient(database.url, (client) =>
      client.query(`CREATE TABLE written (writer int, batch int, n int);
        CREATE UNIQUE INDEX ON written (writer, batch, n)`),
    )
    const acknowledged: string[] = []
    let batch = 0
    for (const afterMs of [300, 700, 500]) {
      const writers = [1, 2].map((writer) =>
        withClient(database.url, async (client) => {
          for (;;) {
            batch += 1
            const mine = batch
            await client.query('BEGIN')
            await client.query('INSERT INTO written SELECT $1, $2, n FROM generate_series(1, 500) n', [
              writer,
              mine,
            ])
            await client.query('COMMIT')
            acknowledged.push(`${writer}/${mine}`)
          }
        }).catch(() => {}),
      )
      await sleep(afterMs)
      const before = acknowledged.length
      await database.kill()
      await Promise.all(writers)
      assert.ok(before > 0)
      await database.restart()
    }
    await withClient(database.url, async (client) => {
      const { rows } = await client.query<{ batch: string; count: number; distinct: number }>(
        `SELECT writer || '/' || batch AS batch, count(*)::int AS count, count(DISTINCT n)::int AS distinct
           FROM written GROUP BY 1`,
      )
      const found = new Map(rows.map((row) => [row.batch, row]))
      for (const name of acknowledged)
        assert.ok(found.has(name), `batch ${name} was acknowledged and is gone`)
      for (const row of rows) assert.deepEqual([row.count, row.distinct], [500, 500], `batch ${row.batch}`)
      assert.ok(rows.length <= acknowledged.length + 6, 'more was stored than was ever tried')
    })
  }))

test('a hypertable counts, finds and takes rows after reopening as it did before', () =>
  withDatabase(async (database) => {
    await withClient(database.url, async (client) => {
      await client.query(`CREATE TABLE readings (time timestamptz NOT NULL, machine text, value float8)`)
      await client.query(`SELECT create_hypertable('readings', by_range('time', INTERVAL '1 day'))`)
      await client.query(`CREATE UNIQUE INDEX ON readings (machine, time)`)
      await client.query(`INSERT INTO readings SELECT '2026-01-01'::timestamptz + n * INTERVAL '10 minutes', 'M' || n % 3, n
        FROM generate_series(0, 1999) n`)
    })
    for (const end of [() => database.restart(), async () => (await database.kill(), database.restart())]) {
      await end()
      await withClient(database.url, async (client) => {
        const { rows } = await client.query(`SELECT count(*)::int AS count, sum(value)::int AS sum,
          (SELECT count(*)::int FROM timescaledb_information.chunks) AS chunks FROM readings`)
        assert.deepEqual(rows, [{ count: 2000, sum: 1_999_000, chunks: 14 }])
        const repeated = await client.query(
          `INSERT INTO readings VALUES ('2026-01-01', 'M0', 1), ('2027-01-01', 'M0', 1) ON CONFLICT DO NOTHING`,
        )
        assert.equal(repeated.rowCount, 1)
        await client.query(`DELETE FROM readings WHERE time > '2026-12-01'`)
        await client.query(`SELECT drop_chunks('readings', newer_than => '2026-12-01'::timestamptz)`)
      })
    }
  }))

test('a second process on the same folder is refused, and the first one named and unharmed', () =>
  withDatabase((database) =>
    withProcess({ folder: database.folder, lockWaitMs: 300 }, async (second) => {
      const outcome = await second.outcome
      assert.match(outcome.error ?? '', new RegExp(`in use by another process \\(pid ${database.pid}\\)`))
      assert.equal(await second.exited, 1)
      await withClient(database.url, (client) => client.query('SELECT 1'))
    }),
  ))

test('a second process waits for the first one to end, and then has its data', () =>
  withDatabase(async (database) => {
    await withClient(database.url, (client) => client.query('CREATE TABLE handed_over AS SELECT 42 AS n'))
    await withProcess({ folder: database.folder, password: 'next' }, async (second) => {
      await sleep(500)
      assert.deepEqual(second.said, [])
      await database.kill('SIGTERM')
      const { port } = await second.outcome
      await withClient(`postgres://postgres:next@127.0.0.1:${port}/template1`, async (client) => {
        assert.equal((await client.query('SELECT n FROM handed_over')).rows[0].n, 42)
      })
    })
  }))

test('the end of stdin stops it: clients are told, open transactions rolled back, exit code 0', () =>
  withHome(async (home) => {
    const folder = join(home, 'database')
    await withProcess({ folder }, async (first) => {
      const { port } = await first.outcome
      assert.deepEqual(first.said[0], { progress: 'creating the database (first start only)' })
      const client = new pg.Client(`postgres://postgres:x@127.0.0.1:${port}/template1`)
      const told: (string | undefined)[] = []
      client.on('error', (error) => told.push(Reflect.get(error, 'code') as string | undefined))
      await client.connect()
      await client.query('CREATE TABLE kept AS SELECT 1 AS n')
      await client.query('BEGIN')
      await client.query('INSERT INTO kept VALUES (2)')
      assert.equal(await endDatabaseProcess(first), 0)
      await sleep(50)
      assert.equal(told[0], '57P01')
      assert.equal(existsSync(`${folder}.lock.pid`), false)
      assert.equal(first.logged(), '')
    })
    await withProcess({ folder }, async (second) => {
      const { port } = await second.outcome
      assert.equal(second.said[0]?.ready, true)
      await withClient(`postgres://postgres:x@127.0.0.1:${port}/template1`, async (client) => {
        assert.deepEqual((await client.query('SELECT n FROM kept')).rows, [{ n: 1 }])
      })
    })
  }))

test('SIGINT is ignored, SIGTERM stops it in good order', () =>
  withDatabase(async (database) => {
    process.kill(database.pid, 'SIGINT')
    await sleep(300)
    await withClient(database.url, (client) => client.query('SELECT 1'))
    await database.kill('SIGTERM')
    assert.equal(isAlive(database.pid), false)
    assert.equal(existsSync(`${database.folder}.lock.pid`), false)
  }))

test('it ends with its owner, also when the owner is killed', () =>
  withDatabase(async (database) => {
    await database.kill()
    const entry = new URL('../../../src/embedded/database/process.ts', import.meta.url).pathname
    const settings = JSON.stringify({ folder: database.folder, host: '127.0.0.1', port: 0, password: 'x' })
    const code = `const { spawn } = await import('node:child_process')
      const child = spawn(process.execPath, [${JSON.stringify(entry)}], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
      child.stdin.write(${JSON.stringify(`${settings}\n`)})
      child.stdout.pipe(process.stdout)`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const said = await new Promise<Buffer>((resolve) => owner.stdout.once('data', resolve))
    const { pid } = JSON.parse(String(said)) as { pid: number }
    try {
      assert.equal(isAlive(pid), true)
      owner.kill('SIGKILL')
      for (let waited = 0; isAlive(pid) && waited < 5_000; waited += 50) await sleep(50)
      assert.equal(isAlive(pid), false)
    } finally {
      owner.kill('SIGKILL')
      if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    }
  }))

test('a taken port makes it take the next free one', () =>
  withDatabase(async (database) => {
    await database.kill()
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
    const address = squatter.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    try {
      await withProcess({ folder: database.folder, port }, async (running) => {
        const outcome = await running.outcome
        assert.ok((outcome.port ?? 0) > port && (outcome.port ?? 0) <= port + 20, JSON.stringify(outcome))
      })
    } finally {
      squatter.close()
    }
  }))

test('a start that cannot succeed says why in one line and exits with 1', () =>
  withHome(async (home) => {
    const occupied = join(home, 'occupied')
    mkdirSync(occupied)
    writeFileSync(join(occupied, 'letter.txt'), 'dear reader')
    const cases: [object, RegExp][] = [
      [{ folder: occupied }, /is not empty and holds no database/],
      [{ folder: '' }, /"folder" must be a text/],
      [{ folder: occupied, port: -1 }, /"port" must be a whole number/],
    ]
    for (const [settings, sentence] of cases)
      await withProcess(settings, async (running) => {
        assert.match((await running.outcome).error ?? '', sentence)
        assert.equal(await running.exited, 1)
      })
  }))

test('an engine that fails ends its process, and the next start is sound', () =>
  withDatabase(async (database) => {
    await withClient(database.url, async (client) => {
      await client.query('CREATE TABLE survivor AS SELECT 1 AS n')
      await assert.rejects(client.query(`SELECT pg_read_file('/dev/blob')`), /terminated/)
    })
    for (let waited = 0; isAlive(database.pid) && waited < 5_000; waited += 50) await sleep(50)
    assert.equal(isAlive(database.pid), false)
    await database.restart()
    await withClient(database.url, async (client) => {
      assert.deepEqual((await client.query('SELECT n FROM survivor')).rows, [{ n: 1 }])
    })
  }))
