// Looking through dead letters, and their retention, against the real TimescaleDB.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DeadLetterFilter } from '../../src/dead-letter.ts'
import { keepDeadLettersFor, removeOldDeadLetters } from '../../src/store/dead-letter-retention.ts'
import {
  countReplayable,
  findDeadLetter,
  listDeadLetters,
  listReplayable,
} from '../../src/store/dead-letters.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { failReplays, requestReplays } from '../../src/store/replays.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { receivedAtMs } from '../golden/cases.ts'
import { delivered } from '../support/delivered.ts'
import { openTestPool, sinkOn, withEmptyDatabase, withStore } from '../support/store.ts'

const HOUR_MS = 3_600_000
const never = new AbortController().signal

test('every filter narrows to what it says, and filters narrow together', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    const at = (hours: number) => receivedAtMs + hours * HOUR_MS
    await writeTogether(sink, [
      delivered({ machine_id: 'A' }, 1, { subject: 'CNC_DATA.a', receivedAtMs: at(0) }),
      delivered({ machine_id: 'B' }, 2, { subject: 'CNC_DATA.b', receivedAtMs: at(1) }),
      delivered('not json', 3, { subject: 'CNC_DATA.b', receivedAtMs: at(2) }),
      delivered([{ machine_id: 'A' }, 7], 4, { subject: 'CNC_DATA.c', receivedAtMs: at(3) }),
    ])
    const all = (await listDeadLetters(pool, 100)).toReversed()
    assert.deepEqual(
      all.map((letter) => [
        letter.sequence,
        letter.position,
        letter.code,
        letter.machine_id,
        letter.in_array,
      ]),
      [
        [1, 0, 'missing_field', 'A', false],
        [2, 0, 'missing_field', 'B', false],
        [3, 0, 'not_json', null, false],
        [4, 0, 'missing_field', 'A', true],
        [4, 1, 'wrong_root', null, true],
      ],
    )
    const ids = all.map(({ id }) => id)
    const [first = '', second = '', third = ''] = ids
    await requestReplays(pool, [first], null, null)
    await requestReplays(pool, [second], Buffer.from('{}'), null)
    await pool.query('UPDATE dead_letters SET stored_at = now() WHERE id = $1', [second])
    const [third1] = await requestReplays(pool, [third], null, null)
    await failReplays(pool, [third1?.replay.id ?? ''], 'no')

    const cases: [DeadLetterFilter, number[]][] = [
      [{}, [0, 1, 2, 3, 4]],
      [{ ids: [first, third] }, [0, 2]],
      [{ code: 'missing_field' }, [0, 1, 3]],
      [{ machine: 'A' }, [0, 3]],
      [{ subject: 'CNC_DATA.b' }, [1, 2]],
      [{ stream: 'CNC_DATA' }, [0, 1, 2, 3, 4]],
      [{ stream: 'OTHER' }, []],
      [{ sequence: 4 }, [3, 4]],
      [{ since: '2026-03-01T13:00:00Z' }, [1, 2, 3, 4]],
      [{ until: '2026-03-01T13:00:00Z' }, [0, 1]],
      [{ state: 'open' }, [2, 3, 4]],
      [{ state: 'pending' }, [0]],
      [{ state: 'stored' }, [1]],
      [{ machine: 'A', sequence: 4 }, [3]],
      [{ code: 'missing_field', until: '2026-03-01T13:00:00Z', state: 'pending' }, [0]],
    ]
    for (const [filter, expected] of cases) {
      const found = (await listDeadLetters(pool, 100, filter)).toReversed().map(({ id }) => ids.indexOf(id))
      assert.deepEqual(found, expected, JSON.stringify(filter))
      const replayable = expected.filter((i) => i !== 1)
      assert.equal(await countReplayable(pool, filter, null), replayable.length, JSON.stringify(filter))
      const listed = (await listReplayable(pool, 100, filter, null)).toReversed()
      assert.deepEqual(
        listed.map((id) => ids.indexOf(id)),
        replayable,
        JSON.stringify(filter),
      )
    }
  }))

test('pages put together are the whole, while new dead letters arrive', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await writeTogether(
      sink,
      Array.from({ length: 25 }, (_, i) => delivered('x', i + 1)),
    )
    const seen: number[] = []
    let cursor: string | null = null
    for (let sequence = 26; ; sequence++) {
      const page = await listDeadLetters(pool, 4, {}, cursor)
      if (page.length === 0) break
      seen.push(...page.map((letter) => letter.sequence))
      cursor = page.at(-1)?.id ?? null
      await writeTogether(sink, [delivered('x', sequence)])
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 25 }, (_, i) => 25 - i),
    )
  }))

test('a list shows the beginning of a long payload, a single dead letter all of it', () =>
  withStore(async (pool) => {
    const text = `${'x'.repeat(4_095)}é${'y'.repeat(5_000)}`
    const binary = Buffer.alloc(10_000, 0xff)
    await writeTogether(sinkOn(pool), [delivered(text, 1), delivered(binary, 2)])
    const [ofBytes, ofText] = await listDeadLetters(pool, 10)
    assert.equal(ofText?.payload, 'x'.repeat(4_095), 'the character that the cut went through is left out')
    assert.deepEqual([ofText?.payload_truncated, ofText?.payload_bytes], [true, Buffer.byteLength(text)])
    assert.equal(ofBytes?.payload_encoding, 'base64')
    assert.equal(Buffer.from(ofBytes?.payload ?? '', 'base64').length, 4_096)
    const wholeText = await findDeadLetter(pool, ofText?.id ?? '')
    assert.deepEqual([wholeText?.payload, wholeText?.payload_truncated], [text, false])
    const wholeBytes = await findDeadLetter(pool, ofBytes?.id ?? '')
    assert.deepEqual(Buffer.from(wholeBytes?.payload ?? '', 'base64'), binary)
  }))

test('retention removes what is old, in chunks, and keeps what was replayed since', () =>
  withStore(async (pool, url) => {
    await writeTogether(
      sinkOn(pool),
      Array.from({ length: 30 }, (_, i) => delivered('x', i + 1)),
    )
    await pool.query("UPDATE dead_letters SET recorded_at = now() - interval '91 days' WHERE sequence <= 20")
    const [old] = await listDeadLetters(pool, 1, { sequence: 6 })
    const [older] = await listDeadLetters(pool, 1, { sequence: 7 })
    await requestReplays(pool, [old?.id ?? '', older?.id ?? ''], null, null)
    await pool.query(
      "UPDATE dead_letter_replays SET requested_at = now() - interval '91 days' WHERE dead_letter_id = $1",
      [older?.id],
    )
    const other = openTestPool(url)
    try {
      const removed = await Promise.all([pool, other].map((one) => removeOldDeadLetters(one, 90, never, 3)))
      assert.equal(
        removed.reduce((a, b) => a + b),
        19,
      )
    } finally {
      await other.end()
    }
    assert.equal(await removeOldDeadLetters(pool, 90, never), 0)
    const kept = (await listDeadLetters(pool, 100)).map(({ sequence }) => sequence)
    assert.deepEqual(kept, [30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 6])
  }))

test('retention goes on after a failure, which it says', () =>
  withStore(async (pool) => {
    await writeTogether(sinkOn(pool), [delivered('x', 1), delivered('x', 2)])
    await pool.query("UPDATE dead_letters SET recorded_at = now() - interval '8 days' WHERE sequence = 1")
    await pool.query('ALTER TABLE dead_letters RENAME TO hidden')
    const stop = new AbortController()
    const said: string[] = []
    const failure = Promise.withResolvers<void>()
    const success = Promise.withResolvers<void>()
    const log = {
      warn: (line: string) => (said.push(line), failure.resolve()),
      info: (line: string) => (said.push(line), success.resolve()),
    }
    const running = keepDeadLettersFor(7, { everyMs: 50, jitterMs: 1 }, pool, stop.signal, log)
    await failure.promise
    await pool.query('ALTER TABLE hidden RENAME TO dead_letters')
    await success.promise
    stop.abort()
    await running
    assert.match(said[0] ?? '', /not removed, which is tried again.*dead_letters/)
    assert.match(said.at(-1) ?? '', /removed: 1$/)
    assert.equal((await listDeadLetters(pool, 10)).length, 1)
  }))

test('without a number of days dead letters are kept for ever', () =>
  withStore(async (pool) => {
    await writeTogether(sinkOn(pool), [delivered('x', 1)])
    await pool.query("UPDATE dead_letters SET recorded_at = now() - interval '100 years'")
    await keepDeadLettersFor(0, { everyMs: 1, jitterMs: 1 }, pool, never, {
      info: assert.fail,
      warn: assert.fail,
    })
    assert.equal((await listDeadLetters(pool, 10)).length, 1)
  }))

test('dead letters of before replays can be told apart from their reasons', () =>
  withEmptyDatabase(async (url) => {
    const pool = openTestPool(url)
    try {
      const migrations = await readMigrations(join(import.meta.dirname, '../../migrations'))
      const before = migrations.filter(({ name }) => name < '0003')
      await migrate(pool, before, () => undefined)
      const old = [
        [0, 'wrong_type', 'temperature must be a number'],
        [0, 'wrong_type', 'reading 1 of 2: temperature must be a number'],
        [1, 'wrong_type', 'reading 2 of 2: temperature must be a number'],
        [0, 'refused_by_database', 'the database refused this reading'],
      ]
      for (const [i, [position, code, reason]] of old.entries()) {
        await pool.query(
          `INSERT INTO dead_letters (message_id, position, stream, sequence, subject, code, reason, payload, received_at)
           VALUES ($1, $2, 'CNC_DATA', $1, 'CNC_DATA.x', $3, $4, '{}', now())`,
          [i + 1, position, code, reason],
        )
      }
      await migrate(pool, migrations, () => undefined)
      const letters = (await listDeadLetters(pool, 10)).toReversed()
      assert.deepEqual(
        letters.map((letter) => letter.in_array),
        [false, true, true, true],
      )
      assert.deepEqual(
        letters.map((letter) => letter.state),
        ['open', 'open', 'open', 'open'],
      )
    } finally {
      await pool.end()
    }
  }))
