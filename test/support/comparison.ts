// What the stream acknowledged against what the tables hold, reading by reading and dead letter by dead letter.
import assert from 'node:assert/strict'
import pg from 'pg'
import type { ExpectedReading, Published } from './load.ts'

const PAGE_ROWS = 20_000
const SHOWN = 5

export interface Comparison {
  /** Readings and dead letters of acknowledged messages. */
  readonly acknowledged: number
  readonly stored: number
  readonly lost: readonly string[]
  readonly doubled: readonly string[]
  /** Stored with other values than were sent, or never sent at all. */
  readonly wrong: readonly string[]
}

interface Wanted {
  readonly text: string
  readonly isAcknowledged: boolean
}

/** Compares; what was sent without an acknowledgement may be there once or not at all. All have one name. */
export async function compare(
  loads: readonly [Published, ...Published[]],
  databaseUrl: string,
): Promise<Comparison> {
  const wanted = new Map(loads.flatMap(wantedOf))
  const seen = new Set<string>()
  const doubled: string[] = []
  const wrong: string[] = []
  for await (const { key, text } of storedOf(loads[0].name, databaseUrl)) {
    if (seen.has(key)) doubled.push(key)
    seen.add(key)
    if (wanted.get(key)?.text !== text) wrong.push(`${key}: ${text}`)
  }
  const acknowledged = [...wanted].filter(([, { isAcknowledged }]) => isAcknowledged)
  const lost = acknowledged.flatMap(([key]) => (seen.has(key) ? [] : [key]))
  return { acknowledged: acknowledged.length, stored: seen.size, lost, doubled, wrong }
}

function wantedOf(load: Published): [string, Wanted][] {
  return Array.from({ length: load.sent }, (_, number) => number).flatMap((number) => {
    const { readings, refused } = load.message(number)
    const isAcknowledged = load.acknowledged.has(number)
    return [
      ...readings.map((reading): [string, Wanted] => [
        `reading ${reading.program}`,
        { text: JSON.stringify(reading), isAcknowledged },
      ]),
      ...refused.map((text): [string, Wanted] => [`dead letter ${text}`, { text, isAcknowledged }]),
    ]
  })
}

/** Fails with the first few of what is lost, doubled or wrong. */
export function assertSame({ lost, doubled, wrong }: Comparison): void {
  const found = { lost, doubled, wrong }
  const shown = Object.entries(found).flatMap(([what, keys]) =>
    keys.length === 0 ? [] : [`${keys.length} ${what}: ${keys.slice(0, SHOWN).join(', ')}`],
  )
  assert.deepEqual(shown, [])
}

async function* storedOf(name: string, url: string): AsyncGenerator<{ key: string; text: string }> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for await (const row of pages<ReadingRow>(client, READINGS, name, ['', '-infinity', '0', -1])) {
      const { machine_id, timestamp, program, part_count, temperature, heat } = row
      const reading: ExpectedReading = {
        machine_id,
        timestamp: `${timestamp.replace(' ', 'T')}Z`,
        program,
        part_count: Number(part_count),
        temperature,
        heat,
      }
      yield { key: `reading ${program}`, text: JSON.stringify(reading) }
    }
    for await (const row of pages<LetterRow>(client, DEAD_LETTERS, name, ['0'])) {
      const payload = row.payload.toString()
      yield { key: `dead letter ${payload}`, text: payload }
    }
  } finally {
    await client.end()
  }
}

interface ReadingRow {
  machine_id: string
  timestamp: string
  program: string
  part_count: string
  temperature: number
  heat: string
  key: (string | number)[]
}

interface LetterRow {
  payload: Buffer
  key: (string | number)[]
}

const READINGS = `
  SELECT machine_id, to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS timestamp, program, part_count,
    temperature, extra->>'heat' AS heat,
    jsonb_build_array(machine_id, time::text, message_id::text, position) AS key
  FROM sensor_data
  WHERE starts_with(machine_id, $1 || '-') AND (machine_id, time, message_id, position) > ($2, $3::timestamptz, $4, $5)
  ORDER BY machine_id, time, message_id, position
  LIMIT ${PAGE_ROWS}`

const DEAD_LETTERS = `
  SELECT payload, jsonb_build_array(id::text) AS key FROM dead_letters
  WHERE subject = 'CNC_DATA.' || $1 AND id > $2 ORDER BY id LIMIT ${PAGE_ROWS}`

async function* pages<Row extends { key: (string | number)[] }>(
  client: pg.Client,
  text: string,
  name: string,
  start: (string | number)[],
): AsyncGenerator<Row> {
  for (let after = start; ;) {
    const { rows } = await client.query<Row>(text, [name, ...after])
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    after = last.key
  }
}
