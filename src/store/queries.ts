// What the API asks of the store. A database that is away is told apart from a mistake of ours.
import { UnavailableError } from '../errors.ts'
import { listDeadLetters } from './dead-letters.ts'
import { listMachines, registerMachine, type NewMachine } from './machines.ts'
import type { Pool } from './pool.ts'
import { readReadings, type ReadingsQuery } from './read-readings.ts'
import { kindOfFailure } from './sqlstate.ts'

/** The queries of the API on this pool. Each throws UnavailableError while the database is away. */
export function apiQueries(pool: Pool) {
  return {
    machines: () => listMachines(pool).catch(rethrow),
    registerMachine: (machine: NewMachine) => registerMachine(pool, machine).catch(rethrow),
    deadLetters: (limit: number) => listDeadLetters(pool, limit).catch(rethrow),
    async *readings(query: ReadingsQuery) {
      try {
        yield* readReadings(pool, query)
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
