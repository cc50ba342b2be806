// What the API asks of the store. A database that is away is told apart from a mistake of ours.
import type { DeadLetterFilter } from '../dead-letter.ts'
import { UnavailableError } from '../errors.ts'
import type { SeriesQuery } from '../series.ts'
import { aggregateRefresh } from './aggregate-state.ts'
import type { ReadingsQuery } from '../readings-query.ts'
import { countReplayable, findDeadLetter, listDeadLetters, listReplayable } from './dead-letters.ts'
import {
  changeMachine,
  findMachine,
  listMachines,
  registerMachine,
  removeMachine,
  type MachineChange,
  type NewMachine,
} from './machines.ts'
import { exportTurns } from './export-turns.ts'
import { latestReadings } from './latest-readings.ts'
import type { Store } from './open-store.ts'
import { limitedReadings, readingPages } from './reading-pages.ts'
import { readSeries } from './read-series.ts'
import { failReplays, requestReplays } from './replays.ts'
import { sharedQueue } from './shared-queue.ts'
import { kindOfFailure } from './sqlstate.ts'
import { readStorage } from './storage.ts'

/** The queries of the API. Each throws UnavailableError while the database is away. */
export function apiQueries({
  api: pool,
  exports,
  ingest,
  copies,
}: Pick<Store, 'api' | 'exports' | 'ingest' | 'copies'>) {
  // Charts take half of the connections at most.
  const series = sharedQueue<string>(Math.max(1, Math.floor(pool.options.max / 2)))
  // The embedded database, which takes no COPY, does one thing at a time.
  const turns = exportTurns(ingest, copies ? exports.options.max : 1)
  const latest = latestReadings(pool)
  return {
    machines: () => listMachines(pool).catch(rethrow),
    registerMachine: (machine: NewMachine) => registerMachine(pool, machine).catch(rethrow),
    machine: (id: string) => findMachine(pool, id).catch(rethrow),
    changeMachine: (id: string, change: MachineChange) => changeMachine(pool, id, change).catch(rethrow),
    removeMachine: (id: string, readings: 'keep' | 'delete') =>
      removeMachine(pool, id, readings).catch(rethrow),
    deadLetters: (limit: number, filter: DeadLetterFilter, cursor: string | null) =>
      listDeadLetters(pool, limit, filter, cursor).catch(rethrow),
    deadLetter: (id: string) => findDeadLetter(pool, id).catch(rethrow),
    listReplayable: (limit: number, filter: DeadLetterFilter, cursor: string | null) =>
      listReplayable(pool, limit, filter, cursor).catch(rethrow),
    countReplayable: (filter: DeadLetterFilter, cursor: string | null) =>
      countReplayable(pool, filter, cursor).catch(rethrow),
    requestReplays: (ids: readonly string[], payload: Uint8Array | null, by: string | null) =>
      requestReplays(pool, ids, payload, by).catch(rethrow),
    failReplays: (ids: readonly string[], reason: string) => failReplays(pool, ids, reason).catch(rethrow),
    series: (query: SeriesQuery) =>
      series(JSON.stringify(query), () => readSeries(pool, query)).catch(rethrow),
    aggregateRefresh: () => aggregateRefresh(pool).catch(rethrow),
    storage: () => readStorage(pool).catch(rethrow),
    latest: () => latest.read().catch(rethrow),
    limitedReadings: (query: ReadingsQuery, limit: number) =>
      limitedReadings(exports, turns, query, limit).catch(rethrow),
    async *readings(query: ReadingsQuery) {
      try {
        yield* readingPages(exports, turns, query)
      } catch (error) {
        rethrow(error)
      }
    },
  }
}

function rethrow(error: unknown): never {
  const kind = kindOfFailure(error)
  if (kind === 'away' || kind === 'retry')
    throw new UnavailableError('The database does not answer.', { cause: error })
  throw error
}
