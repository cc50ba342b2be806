// The live feed, joined: what is stored here goes to all monitors over NATS core, and what any of them says
// becomes frames for this one's clients. Part of the composition root.
//
//   committed -> newest of each machine -> NATS core -> hub -> frames
//                  the database, at the start, after NATS was away and once a minute --^
//
// Invariant: nothing of it holds up ingestion: telling the feed of a batch waits for nothing and throws nothing.
import { randomBytes } from 'node:crypto'
import { openBroadcast } from './broker/broadcast.ts'
import type { NatsConnection } from './broker/connect.ts'
import type { LatestReading } from './latest-reading.ts'
import type { Lifecycle } from './lifecycle.ts'
import { linesOf, messagesOf, type FeedLine } from './feed/feed-message.ts'
import { LiveHub } from './feed/hub.ts'
import { joined } from './feed/joined.ts'
import { lookingAt } from './feed/looking.ts'
import { StoredReadings } from './feed/stored-readings.ts'
import type { LastHeard, LiveFrames, LiveObserver } from './live-types.ts'
import type { Log } from './log.ts'
import type { PipelineObserver } from './observation.ts'

/** What comes within it goes together: messages to NATS, and writes to clients. */
const JOIN_MS = 20
/** Of a message to the other monitors. */
const MESSAGE_BYTES = 64 * 2 ** 10

export interface LiveFeedOptions {
  readonly nats: NatsConnection
  /** The last reading of every machine that the database holds. */
  readonly latest: () => Promise<readonly LatestReading[]>
  readonly stream: string
  /** Frames of a machine a second, at most. */
  readonly perSecond: number
  readonly observer: Pick<LiveObserver, 'shown'>
  readonly log: Log
}

export interface LiveFeed {
  /** Told by the pipeline what is stored. */
  readonly pipeline: Pick<PipelineObserver, 'committed'>
  readonly frames: LiveFrames
  /** Null for a machine that was not heard since the start and has no reading. */
  readonly heard: (machineId: string) => LastHeard | null
}

/** The feed's own subject: a single token, so that no stream `<name>.>` ever takes it in. */
export function liveSubject(stream: string): string {
  return `${stream}_LIVE`
}

/** Opens it and looks at the database. */
export async function openLiveFeed(options: LiveFeedOptions, life: Lifecycle): Promise<LiveFeed> {
  const { nats, latest, stream, perSecond, observer } = options
  const warn = (sentence: string) => options.log.warn(sentence)
  const hub = new LiveHub({ id: randomBytes(6).toString('hex'), perSecond })
  const showing = joined(JOIN_MS, () => {
    const shown = hub.flush(performance.now())
    const nowMicros = Date.now() * 1_000
    if (shown.length > 0) observer.shown(shown.map((line) => (nowMicros - line.receivedAtMicros) / 1e6))
    return hub.isWaiting
  })
  const tell = (lines: readonly FeedLine[]) => {
    for (const line of lines) hub.tell(line)
    if (hub.isWaiting) showing.wake()
  }

  const looking = lookingAt({ hub, latest, tell, warn })
  const broadcast = await openBroadcast(nats, {
    subject: liveSubject(stream),
    onMessage: (text) => tell(linesOf(text)),
    onBack: () => void looking.now(),
    warn,
  })
  const say = (lines: readonly FeedLine[]) => {
    for (const message of messagesOf(lines, MESSAGE_BYTES)) broadcast.say(message)
  }
  const stored = new StoredReadings(perSecond)
  const telling = joined(JOIN_MS, () => {
    say(stored.take(performance.now(), new Date().toISOString()))
    return stored.isWaiting
  })
  life.onStop('the live feed', async () => {
    telling.stop()
    say(stored.takeAll(new Date().toISOString()))
    await broadcast.close()
    await looking.stop()
    showing.stop()
  })
  await looking.now()

  return {
    pipeline: {
      committed(batch, outcome) {
        stored.committed(batch, outcome)
        if (stored.isWaiting) telling.wake()
      },
    },
    frames: hub,
    heard: (machineId) => hub.heard(machineId),
  }
}
