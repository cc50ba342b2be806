// Readings in pages by key: no transaction and no connection is held while a client reads, so nothing else waits
// and memory stays constant, however many there are and however slow the client is.
//
// Invariant: pages put together are the whole, without a gap or a repeat, also while readings arrive: what is stored
// later lies beyond the last key, or before it and is not given. A page is bounded in readings and in bytes.
import type { LimitedReadings, ReadingKey, ReadingsPage, ReadingsQuery } from '../readings-query.ts'
import { copyPage, PageTooLargeError, type CopiedPage } from './copy-out.ts'
import type { ExportTurns } from './export-turns.ts'
import { Pieces, readChunkStarts, type Piece } from './history.ts'
import type { Pool } from './pool.ts'
import { literal, readingLine } from './reading-text.ts'

/** What a page is to have; the number of its readings follows from the size of those before. */
const WANTED_BYTES = 512 * 1024
const MOST_READINGS = 2_500
const FIRST_READINGS = 500
/** Beyond it a page is read again with fewer readings. A single one may have as many as a message. */
const MOST_BYTES = 8 * 2 ** 20
const MACHINES_AT_ONCE = 1_000

/** Pages with at least one reading; `limit` readings at most. Each page takes its turn. */
export async function* readingPages(
  pool: Pool,
  turns: ExportTurns,
  query: ReadingsQuery,
  limit = Infinity,
): AsyncGenerator<ReadingsPage, void, undefined> {
  const starts = await readChunkStarts(pool, query.startTime, query.endTime)
  const size = new PageSize()
  let left = limit
  for await (const machineId of machinesOf(pool, query)) {
    const pieces = new Pieces(starts, query.order)
    let after = query.after?.machineId === machineId ? query.after : null
    for (let piece = pieces.next(); piece !== null && left > 0;) {
      const wanted = Math.min(size.readings, left)
      const select = selectPage(query, machineId, piece, after, wanted)
      const copied = await turns.run(() => pageOf(pool, select, wanted))
      if (copied === null) {
        size.tooLarge()
        continue
      }
      const { text, rows, last } = copied
      if (last !== null) {
        after = { machineId, ...last }
        left -= rows
        size.saw(rows, text.length)
        yield { text, readings: rows, last: after }
      }
      if (rows === wanted) continue
      pieces.enlarge()
      piece = pieces.next()
    }
    if (left <= 0) return
  }
}

/**
 * The first `limit` readings, or fewer where they are large; `last` is null when there are none, `more` says whether
 * any follow.
 */
export async function limitedReadings(
  pool: Pool,
  turns: ExportTurns,
  query: ReadingsQuery,
  limit: number,
): Promise<LimitedReadings> {
  const texts: Buffer[] = []
  let bytes = 0
  let last: ReadingKey | null = null
  for await (const page of readingPages(pool, turns, query, limit)) {
    texts.push(page.text)
    bytes += page.text.length
    last = page.last
    if (bytes >= MOST_BYTES) break
  }
  if (last === null) return { texts, last, more: false }
  const following = await readingPages(pool, turns, { ...query, after: last }, 1).next()
  return { texts, last, more: following.done !== true }
}

/** How many readings make a page. */
class PageSize {
  readings = FIRST_READINGS

  saw(readings: number, bytes: number): void {
    const fitting = Math.ceil(WANTED_BYTES / (bytes / readings))
    this.readings = Math.min(fitting, this.readings * 4, MOST_READINGS)
  }

  tooLarge(): void {
    this.readings = Math.ceil(this.readings / 16)
  }
}

/** Null when so many readings are too large for a page. */
async function pageOf(pool: Pool, select: string, readings: number): Promise<CopiedPage | null> {
  try {
    return await copyPage(pool, select, readings === 1 ? Infinity : MOST_BYTES)
  } catch (error) {
    if (error instanceof PageTooLargeError) return null
    throw error
  }
}

function selectPage(
  { format, order, shown, startTime, endTime }: ReadingsQuery,
  machineId: string,
  { from, to }: Piece,
  after: ReadingKey | null,
  readings: number,
): string {
  const [direction, beyond] = order === 'asc' ? ['ASC', '>'] : ['DESC', '<']
  const conditions = [
    `machine_id = ${literal(machineId)}`,
    ...within('>=', from),
    ...within('<', to),
    ...within('>=', startTime),
    ...within('<=', endTime),
  ]
  if (after !== null) {
    // The time once more: by it alone chunks are left out.
    conditions.push(...within(`${beyond}=`, after.time))
    const key = `${literal(after.time)}::timestamptz, ${literal(after.messageId)}::int8, ${after.position}::int4`
    conditions.push(`(time, message_id, position) ${beyond} (${key})`)
  }
  return `
    SELECT ${readingLine(format, machineId, shown)}, time, message_id, position
    FROM sensor_data
    WHERE ${conditions.join(' AND ')}
    ORDER BY time ${direction}, message_id ${direction}, position ${direction}
    LIMIT ${readings}`
}

function within(comparison: string, time: string | null): string[] {
  return time === null ? [] : [`time ${comparison} ${literal(time)}::timestamptz`]
}

/** By id, from the one on that the last page ended with. */
async function* machinesOf(
  pool: Pool,
  { machineIds, after }: ReadingsQuery,
): AsyncGenerator<string, void, undefined> {
  if (machineIds?.length === 1) return yield* machineIds
  const source = machineIds === null ? 'machines' : '(SELECT DISTINCT unnest($2::text[]) AS id) AS wanted'
  let condition = `id >= $1`
  let from = after?.machineId ?? ''
  for (;;) {
    const { rows } = await pool.query<[string]>({
      text: `SELECT id FROM ${source} WHERE ${condition} ORDER BY id LIMIT ${MACHINES_AT_ONCE}`,
      values: [from, ...(machineIds === null ? [] : [machineIds])],
      rowMode: 'array',
    })
    for (const [id] of rows) yield (from = id)
    if (rows.length < MACHINES_AT_ONCE) return
    condition = 'id > $1'
  }
}
