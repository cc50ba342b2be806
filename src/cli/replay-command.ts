// Replaying dead letters from the command line: asks the monitor for it, waits and says what became of them.
//
// Invariant: the exit status is 0 only when everything that was meant is stored.
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { buffer } from 'node:stream/consumers'
import type { DeadLetterFilter } from '../dead-letter.ts'
import { UsageError } from '../errors.ts'
import { openProgressBar } from '../progress-bar.ts'
import type { BulkResult } from '../replay-dead-letters.ts'
import type { Replay } from '../web/dead-letter-contract.ts'
import { outcomeText, visible } from './dead-letter-text.ts'
import type { MonitorApi } from './monitor-api.ts'
import { outcomesOf, type SettledReplay } from './replay-outcomes.ts'

export type Filters = Omit<DeadLetterFilter, 'ids'>
export const FILTERS = [
  'code',
  'machine',
  'subject',
  'stream',
  'sequence',
  'since',
  'until',
  'state',
] as const

/** The monitor replays this many in one request. */
const REPLAYS_A_CALL = 500
const SHOWN_REFUSALS = 20

const say = (line: string) => void process.stderr.write(`${line}\n`)

export interface ReplayOptions extends Filters {
  readonly all: boolean
  readonly payload?: string
  readonly by?: string
  readonly dryRun: boolean
  /** Seconds. */
  readonly wait: number
}

export function replay(api: MonitorApi, ids: readonly string[], options: ReplayOptions): Promise<number> {
  const filters = FILTERS.filter((name) => options[name] !== undefined)
  if (ids.length > 0 && (options.all || filters.length > 0)) {
    throw new UsageError('Name dead letters by their ids, or mean them by --all and filters, not both.')
  }
  if (ids.length === 0 && !options.all && filters.length === 0) {
    throw new UsageError('Which dead letters? Name their ids, or a filter such as --code, or --all.')
  }
  if (options.payload !== undefined && (ids.length !== 1 || options.dryRun)) {
    throw new UsageError('--payload replaces what one dead letter holds: name its id, and no --dry-run.')
  }
  const [id] = ids
  if (ids.length === 1 && id !== undefined && !options.dryRun) return replayOne(api, id, options)
  const meant = Object.fromEntries(filters.map((name) => [name, options[name]]))
  const all = options.all ? { all: true } : {}
  return replayMany(api, ids.length > 0 ? { ids: [...new Set(ids)] } : { ...meant, ...all }, options)
}

async function replayOne(api: MonitorApi, id: string, options: ReplayOptions): Promise<number> {
  const payload = options.payload === undefined ? {} : payloadFields(await bytesOf(options.payload))
  const path = `/api/v1/dead-letters/${encodeURIComponent(id)}/replay`
  const asked = (await api.post(path, { ...payload, ...byField(options) })) as Replay
  const [settled = asked] = await outcomesOf(api, [asked], options.wait * 1_000)
  say(`Dead letter ${id}: ${visible(outcomeText(settled))}.`)
  return settled.outcome === 'stored' ? 0 : 1
}

type Meant = Filters & { readonly all?: boolean; readonly ids?: readonly string[] }

async function replayMany(api: MonitorApi, meant: Meant, options: ReplayOptions): Promise<number> {
  const ask = async (more: object) =>
    (await api.post('/api/v1/dead-letters/replay', {
      ...meant,
      ...byField(options),
      ...more,
    })) as BulkResult<Replay>
  if (options.dryRun) {
    const { matched } = await ask({ dry_run: true })
    say(`${matched} dead letters would be replayed.`)
    return 0
  }
  const settled: SettledReplay[] = []
  const bar = openProgressBar('dead letters', 0)
  try {
    let page = await ask({ limit: REPLAYS_A_CALL })
    let notTaken = page.failed
    let leftOut = page.skipped + (meant.ids === undefined ? 0 : meant.ids.length - page.matched)
    for (;;) {
      const before = settled.length
      const total = before + page.replayed + page.remaining
      const onSettled = (count: number) => bar.update(before + count, total)
      settled.push(...(await outcomesOf(api, page.replays, options.wait * 1_000, onSettled)))
      if (page.next_cursor === null || page.failure !== null) break
      page = await ask({ limit: REPLAYS_A_CALL, cursor: page.next_cursor })
      notTaken += page.failed
      leftOut += page.skipped
    }
    bar.stop()
    if (page.failure !== null) say(`The stream did not take all of them: ${page.failure}.`)
    return summary(settled, { notTaken, leftOut, notReached: page.remaining })
  } finally {
    bar.stop()
  }
}

/** Says what became of them; the exit status. */
function summary(
  settled: readonly SettledReplay[],
  { notTaken, leftOut, notReached }: Readonly<Record<'notTaken' | 'leftOut' | 'notReached', number>>,
): number {
  const count = (outcome: Replay['outcome']) => settled.filter((one) => one.outcome === outcome).length
  const refused = settled.filter((one) => one.outcome === 'refused')
  for (const one of refused.slice(0, SHOWN_REFUSALS)) {
    say(`Dead letter ${one.dead_letter_id}: ${visible(outcomeText(one))}.`)
  }
  if (refused.length > SHOWN_REFUSALS) say(`... and ${refused.length - SHOWN_REFUSALS} more were refused.`)
  say(
    `${settled.length} replayed: ${count('stored')} stored, ${refused.length} refused again, ${count('pending')} pending; ` +
      `${notTaken} not taken by the stream, ${leftOut} left out (stored already, or gone), ${notReached} not reached.`,
  )
  return count('stored') === settled.length && notTaken + leftOut + notReached === 0 ? 0 : 1
}

async function bytesOf(file: string): Promise<Buffer> {
  if (file === '-') return buffer(process.stdin)
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`The payload ${file} cannot be read: ${(error as Error).message}`)
  }
}

function payloadFields(bytes: Buffer): object {
  const encoding = isUtf8(bytes) ? 'utf8' : 'base64'
  return { payload: bytes.toString(encoding), payload_encoding: encoding }
}

function byField({ by }: ReplayOptions): { by?: string } {
  if (by !== undefined) return { by }
  try {
    return { by: userInfo().username }
  } catch {
    return {} // The operating system knows no name for this user.
  }
}
