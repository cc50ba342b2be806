// The aggregates by minute and hour, joined to the running program. Part of the composition root.
import type { Config } from './config.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Log } from './log.ts'
import { type Aggregates, keepAggregates } from './store/keep-aggregates.ts'
import type { Store } from './store/open-store.ts'

/** Starts the job; to be called before messages are taken, so that their readings are not taken for late ones. */
export async function startAggregates(
  config: Config,
  store: Store,
  life: Lifecycle,
  log: Log,
): Promise<Aggregates> {
  const aggregates = await keepAggregates({
    pool: store.jobs,
    late: store.late,
    retentionDays: config.retention.rawDays,
    // The embedded database serves nobody meanwhile.
    windowMinutes: config.database.url === null ? 10 : 60,
    signal: life.signal,
    log,
  })
  life.onStop('the job of the aggregates', () => aggregates.ended)
  return aggregates
}
