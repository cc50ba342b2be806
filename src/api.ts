// The API and the live feed's clients, joined: what they ask the store, the stream and the running program.
// Part of the composition root.
import type { NatsConnection } from './broker/connect.ts'
import { publisherOn } from './broker/publisher.ts'
import type { ReadConfig } from './config.ts'
import { freeBytesFor } from './free-space.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { LiveFeed } from './live-feed.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { BrokerPoll } from './observation.ts'
import { postingTo } from './posting.ts'
import { replaying } from './replay-dead-letters.ts'
import { storageReports } from './storage-report.ts'
import type { apiQueries } from './store/queries.ts'
import { createApp, listen, type WebOptions } from './web/server.ts'

/** Further ports that are tried when the usual one is taken. */
const PORT_TRIES = 20

export interface ApiParts {
  readonly read: ReadConfig
  readonly queries: ReturnType<typeof apiQueries>
  readonly nats: NatsConnection
  readonly broker: () => BrokerPoll
  readonly readiness: WebOptions['readiness']
  readonly metrics: Metrics
  readonly feed: Pick<LiveFeed, 'frames' | 'heard'>
}

/** Resolves to the URL it listens on. */
export async function startApi(parts: ApiParts, life: Lifecycle, log: Log): Promise<string> {
  const { read, queries, nats, broker, readiness, metrics, feed } = parts
  const { config, explicit } = read
  const { maxClients, origins } = config.live
  const app = createApp({
    queries,
    replays: replaying(queries, publisherOn(nats)),
    posting: postingTo(config, nats),
    storage: storageReports({
      facts: queries.storage,
      broker,
      freeBytes: freeBytesFor(config),
      retentionDays: config.retention.rawDays,
    }),
    readiness,
    metrics,
    live: { frames: feed.frames, maxClients, origins, observer: metrics.live },
    log,
    heard: feed.heard,
  })
  life.onStop('the HTTP server', () => app.close())
  return listen(app, config.http.host, config.http.port, explicit.has('http.port') ? 0 : PORT_TRIES)
}
