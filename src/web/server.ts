// The HTTP server: routes, problem documents, and nothing that knows where the data comes from.
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { Logger } from 'pino'
import type { DeadLetterFilter } from '../dead-letter.ts'
import type { Posting } from '../posted-readings.ts'
import type { LatestReading } from '../latest-reading.ts'
import type { LimitedReadings, ReadingsPage, ReadingsQuery } from '../readings-query.ts'
import type { Replaying } from '../replay-dead-letters.ts'
import type { SeriesQuery } from '../series.ts'
import type { StorageReport } from '../storage-report.ts'
import type { Machine, NewMachine } from './contract.ts'
import type { DeadLetter, DeadLetterWithReplays, Replay } from './dead-letter-contract.ts'
import type { MachineChange } from './machine-contract.ts'
import type { Heard } from './last-heard.ts'
import { answerOtherOrigins, refuseOtherOrigins } from './cross-origin.ts'
import { badAddress, handleProblems } from './problems.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { healthRoutes, type Readiness } from './routes/health.ts'
import { isLiveUpgrade, liveRoutes, type LiveOptions } from './routes/live.ts'
import { oneMachineRoutes } from './routes/machine.ts'
import { latestRoutes } from './routes/latest.ts'
import { machineRoutes } from './routes/machines.ts'
import { metricsRoutes, type MetricsPage } from './routes/metrics.ts'
import { postedReadingRoutes } from './routes/posted-readings.ts'
import { readingRoutes } from './routes/readings.ts'
import { replayRoutes } from './routes/replays.ts'
import { seriesRoutes } from './routes/series.ts'
import { storageRoutes } from './routes/storage.ts'

/** What the API asks of the store. Each throws UnavailableError while the store is away. */
export interface Queries {
  machines(): Promise<Machine[]>
  /** Null when the id is registered already. */
  registerMachine(
    machine: Required<{ [K in keyof NewMachine]: NewMachine[K] | null }> & { id: string },
  ): Promise<Machine | null>
  /** Null when nobody has heard of it; so do the next two. */
  machine(id: string): Promise<Machine | null>
  changeMachine(id: string, change: MachineChange): Promise<Machine | null>
  /** How many readings were deleted. */
  removeMachine(id: string, readings: 'keep' | 'delete'): Promise<number | null>
  /** Newest first, payloads cut; `cursor`: only what is older than this one. */
  deadLetters(limit: number, filter: DeadLetterFilter, cursor: string | null): Promise<DeadLetter[]>
  /** Whole; null when there is none. */
  deadLetter(id: string): Promise<DeadLetterWithReplays | null>
  /** The answer as JSON text. */
  series(query: SeriesQuery): Promise<string>
  /** In pages. */
  readings(query: ReadingsQuery): AsyncGenerator<ReadingsPage, void, undefined>
  limitedReadings(query: ReadingsQuery, limit: number): Promise<LimitedReadings>
  /** Of every machine that ever sent, by its id. */
  latest(): Promise<LatestReading[]>
}

export interface WebOptions {
  readonly queries: Queries
  readonly replays: Replaying<Replay>
  readonly posting: Posting
  readonly storage: () => Promise<StorageReport>
  readonly readiness: () => Readiness
  readonly metrics: MetricsPage
  readonly live: LiveOptions
  readonly log: Logger
  /** The last reading that was received of a machine, where that is known without the store. */
  readonly heard?: (machineId: string) => Heard | null
}

export function createApp(options: WebOptions): FastifyInstance {
  const { queries, replays, posting, storage, readiness, metrics, live, log, heard } = options
  const app = Fastify({
    loggerInstance: log.child({}, { level: 'warn' }),
    bodyLimit: 2 ** 20,
    requestTimeout: 30_000,
    frameworkErrors: badAddress,
    forceCloseConnections: true,
    // Others that ask to change the protocol (HTTP/2 clients do) are served as if they had not.
    http: { shouldUpgradeCallback: isLiveUpgrade },
    // An id of 128 characters may take twelve bytes each once it is encoded in a URL.
    routerOptions: { maxParamLength: 4_096 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as FastifyInstance
  handleProblems(app)
  refuseOtherOrigins(app)
  answerOtherOrigins(app, live.origins)
  metricsRoutes(app, metrics)
  healthRoutes(app, readiness)
  machineRoutes(app, queries, heard)
  oneMachineRoutes(app, queries, heard)
  latestRoutes(app, queries)
  readingRoutes(app, queries)
  seriesRoutes(app, queries)
  postedReadingRoutes(app, posting)
  storageRoutes(app, storage)
  deadLetterRoutes(app, queries)
  replayRoutes(app, queries, replays)
  liveRoutes(app, live)
  return app
}

/**
 * Listens; `tries` further ports are tried when the wanted one is taken. Resolves to the URL. Throws a
 * sentence when no port could be had.
 */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  tries: number,
): Promise<string> {
  for (let offset = 0; ; offset++) {
    try {
      await app.listen({ host, port: port === 0 ? 0 : port + offset })
      const { port: taken } = app.server.address() as AddressInfo
      return `http://${host.includes(':') ? `[${host}]` : host}:${taken}`
    } catch (error) {
      if ((error as { code?: string }).code !== 'EADDRINUSE') throw error
      if (offset >= tries) {
        throw new Error(
          `Port ${port + offset} on ${host} is taken; set HTTP_PORT to a free one, or to 0 for any.`,
          {
            cause: error,
          },
        )
      }
    }
  }
}
