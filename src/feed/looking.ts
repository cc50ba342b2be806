// Looks at the database now and then: what it holds and the feed did not say (a monitor was killed before it had
// told, NATS was away) becomes frames as well.
import { sentenceOf } from '../errors.ts'
import type { LatestReading } from '../latest-reading.ts'
import { lineOf, type FeedLine } from './feed-message.ts'
import type { LiveHub } from './hub.ts'

const LOOK_EVERY_MS = 60_000
const AFTER_A_FAILURE_MS = 2_000

export interface LookingOptions {
  readonly hub: LiveHub
  /** The last reading of every machine. */
  readonly latest: () => Promise<readonly LatestReading[]>
  readonly tell: (lines: readonly FeedLine[]) => void
  readonly warn: (sentence: string) => void
}

export interface Looking {
  /** Looks at once, and once more when a look is under way; resolves when it is done, also when it failed. */
  now(): Promise<void>
  stop(): Promise<void>
}

export function lookingAt({ hub, latest, tell, warn }: LookingOptions): Looking {
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | null = null
  let isWantedAgain = false
  let isStopped = false

  const look = async () => {
    const { sequence } = hub
    const at = new Date().toISOString()
    const found = await latest()
    if (isStopped) return
    tell(found.map((reading) => lineOf(reading, at)))
    hub.keepOnly(new Set(found.map(({ machineId }) => machineId)), sequence)
  }
  const lookAndPlan = async () => {
    let nextMs = LOOK_EVERY_MS
    try {
      await look()
    } catch (error) {
      if (!isStopped) warn(`The last readings could not be read; tried again soon: ${sentenceOf(error)}`)
      nextMs = AFTER_A_FAILURE_MS
    }
    looking = null
    if (!isStopped) timer = setTimeout(() => void now(), isWantedAgain ? 0 : nextMs)
    isWantedAgain = false
  }
  const now = (): Promise<void> => {
    if (looking !== null) isWantedAgain = true
    else clearTimeout(timer)
    return (looking ??= lookAndPlan())
  }
  return {
    now,
    async stop() {
      isStopped = true
      clearTimeout(timer)
      await looking
    },
  }
}
