// Readings in pages by key: no transaction and no connection is held while a client reads, so nothing else waits
// and memory stays constant, however many there are and however slow the client is.
//
// Invariant: pages put together are the whole, without a gap or a repeat, also while readings arrive: what is stored
// later lies beyond the last key, or before it and is not given. A page is bounded in readings and in bytes.
import type { LimitedReadings, ReadingKey, ReadingsPage, ReadingsQuery } from '../readings-query.ts'
import { copyPage, PageTooLargeError, type CopiedPage } from './copy-out.ts'
import type { ExportTurns } from './export-turns.ts'
import { Pieces, readChunkStarts } from './history.ts'
import type { Pool } from './pool.ts'
import { selectKey, selectPage, selectWindow, type Range } from './reading-selects.ts'

/** What a page is to have; the number of its readings follows from the size of those before. */
const WANTED_BYTES = 768 * 1024
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
  const starts = await turns.run(() => readChunkStarts(pool, query.startTime, query.endTime))
  const reading = new PageReading(pool, turns, query)
  let left = limit
  for await (const machineId of machinesOf(pool, turns, query)) {
    const pieces = new Pieces(starts, query.order)
    let after = query.after?.machineId === machineId ? query.after : null
    for (let piece = pieces.next(); piece !== null; piece = pieces.next()) {
      let pages = 0
      for await (const page of reading.pagesWithin({ machineId, piece, after, upTo: null }, left)) {
        pages++
        after = page.last
        left -= page.readings
        yield page
        if (left <= 0) return
      }
      pieces.held(pages > 1)
    }
  }
}

/** Reads pages one after the other, or ahead of each other where nobody says how many are wanted. */
class PageReading {
  readonly #pool: Pool
  readonly #turns: ExportTurns
  readonly #query: ReadingsQuery
  /** How many readings make a page. */
  #readings = FIRST_READINGS

  constructor(pool: Pool, turns: ExportTurns, query: ReadingsQuery) {
    this.#pool = pool
    this.#turns = turns
    this.#query = query
  }

  async *pagesWithin(range: Range, limit: number): AsyncGenerator<ReadingsPage, void, undefined> {
    const isAhead = limit === Infinity && this.#turns.atOnce > 1
    yield* this.#oneByOne(isAhead ? yield* this.#ahead(range) : range, limit)
  }

  /**
   * Finding where a page ends costs a tenth of reading it: so the next one is read while this one still is. Returns
   * the rest, which is less than a page.
   */
  async *#ahead(range: Range): AsyncGenerator<ReadingsPage, Range, undefined> {
    const ahead: { page: Range & { upTo: ReadingKey }; copied: Promise<CopiedPage | null> }[] = []
    let rest = range
    for (let isFull = true; isFull || ahead.length > 0;) {
      const upTo: ReadingKey | null = isFull
        ? await this.#turns.run(() => this.#keyOf(rest, this.#readings))
        : null
      isFull = upTo !== null
      if (upTo !== null) {
        const page = { ...rest, upTo }
        const copied = this.#turns.runBehindWriters(() =>
          this.#copied(selectWindow(this.#query, page), this.#readings),
        )
        copied.catch(() => undefined) // said where it is awaited, if it ever is
        ahead.push({ page, copied })
        rest = { ...rest, after: upTo }
        if (ahead.length < this.#turns.atOnce) continue
      }
      const next = ahead.shift()
      if (next !== undefined) yield* this.#taken(next.page, await next.copied)
    }
    return rest
  }

  async *#taken(page: Range & { upTo: ReadingKey }, copied: CopiedPage | null) {
    if (copied === null) return yield* this.#oneByOne(page, Infinity)
    if (copied.rows === 0) return // deleted meanwhile
    this.#saw(copied)
    yield { text: copied.text, readings: copied.rows, last: page.upTo }
  }

  async *#oneByOne(range: Range, limit: number): AsyncGenerator<ReadingsPage, void, undefined> {
    let { after } = range
    for (let left = limit; left > 0;) {
      const wanted = Math.min(this.#readings, left)
      const select = selectPage(this.#query, { ...range, after }, wanted)
      const copied = await this.#turns.runBehindWriters(() => this.#copied(select, wanted))
      if (copied === null) continue
      const { text, rows, last } = copied
      if (last !== null) {
        after = { machineId: range.machineId, ...last }
        left -= rows
        this.#saw(copied)
        yield { text, readings: rows, last: after }
      }
      if (rows < wanted) return
    }
  }

  /** Null when it is too large for a page; the next ones are smaller. */
  async #copied(select: string, readings: number): Promise<CopiedPage | null> {
    try {
      return await copyPage(this.#pool, select, readings === 1 ? Infinity : MOST_BYTES)
    } catch (error) {
      if (!(error instanceof PageTooLargeError)) throw error
      this.#readings = Math.ceil(readings / 16)
      return null
    }
  }

  /** The key of the range's n-th reading; null when it has fewer. */
  async #keyOf(range: Range, n: number): Promise<ReadingKey | null> {
    const { rows } = await this.#pool.query<[time: string, messageId: string, position: number]>({
      text: selectKey(this.#query, range, n),
      rowMode: 'array',
    })
    const [key] = rows
    if (key === undefined) return null
    return { machineId: range.machineId, time: key[0], messageId: key[1], position: key[2] }
  }

  #saw({ rows, text }: CopiedPage): void {
    const fitting = Math.ceil(WANTED_BYTES / (text.length / rows))
    this.#readings = Math.min(fitting, this.#readings * 4, MOST_READINGS)
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

/** By id, from the one on that the last page ended with. */
async function* machinesOf(
  pool: Pool,
  turns: ExportTurns,
  { machineIds, after }: ReadingsQuery,
): AsyncGenerator<string, void, undefined> {
  if (machineIds?.length === 1) return yield* machineIds
  const source = machineIds === null ? 'machines' : '(SELECT DISTINCT unnest($2::text[]) AS id) AS wanted'
  let condition = `id >= $1`
  let from = after?.machineId ?? ''
  for (;;) {
    const text = `SELECT id FROM ${source} WHERE ${condition} ORDER BY id LIMIT ${MACHINES_AT_ONCE}`
    const values = [from, ...(machineIds === null ? [] : [machineIds])]
    const { rows } = await turns.run(() => pool.query<[string]>({ text, values, rowMode: 'array' }))
    for (const [id] of rows) yield (from = id)
    if (rows.length < MACHINES_AT_ONCE) return
    condition = 'id > $1'
  }
}
