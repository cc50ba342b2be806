// What one monitor knows live: the last reading of each machine as a ready frame, and when each was last heard.
// It learns from the feed, its own part included, and from the database; which monitor stored a reading makes no
// difference.
//
//   told --(newer than what is known)--> waiting --(at most so often a second)--> frame
//
// Invariant: the frames of a machine never go back in time: newest wins, by the reading's own time and then by
// its receipt. Pure: the clock is the caller's.
import type { LastHeard, LiveFollower, LiveFrame, LiveFrames } from '../live-types.ts'
import { textOfMicros } from '../timestamp.ts'
import { Coalescer } from './coalescer.ts'
import type { FeedLine } from './feed-message.ts'
import { FrameLog } from './frame-log.ts'
import { type Dated, isNewer } from './newest.ts'

/** Some 1,000 shops of 20 machines, or 64 MiB of frames. */
const LIMITS = { machines: 20_000, characters: 64 * 2 ** 20 }

export interface HubOptions {
  /** Unique to this start of this monitor; letters and digits. */
  readonly id: string
  /** Frames of a machine a second, at most. */
  readonly perSecond: number
}

export class LiveHub implements LiveFrames {
  readonly id: string
  readonly #log = new FrameLog<FeedLine>(LIMITS)
  readonly #waiting: Coalescer<FeedLine>
  readonly #heard = new Map<string, Dated>()
  readonly #followers = new Set<LiveFollower>()

  constructor({ id, perSecond }: HubOptions) {
    this.id = id
    this.#waiting = new Coalescer(perSecond)
  }

  get sequence(): number {
    return this.#log.sequence
  }

  after(sequence: number): Iterable<LiveFrame> {
    return this.#log.after(sequence)
  }

  follow(follower: LiveFollower): () => void {
    this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  /** Null for a machine that was not heard yet, or is forgotten. */
  heard(machineId: string): LastHeard | null {
    const heard = this.#heard.get(machineId)
    if (heard === undefined) return null
    return { timestamp: heard.timestamp, receivedAt: textOfMicros(heard.receivedAtMicros) }
  }

  /** Whether something waits to become a frame. */
  get isWaiting(): boolean {
    return !this.#waiting.isEmpty
  }

  /** Takes in what the feed or the database says. What is known already, or older, changes nothing. */
  tell(line: FeedLine): void {
    this.#hear(line)
    const newest = this.#waiting.waiting(line.machineId) ?? this.#log.lastOf(line.machineId)
    if (newest === undefined || isNewer(line.timestamp, line.receivedAtMicros, newest))
      this.#waiting.put(line.machineId, line)
  }

  /** Makes frames of what is due and tells the followers; returns what they show. */
  flush(nowMs: number): FeedLine[] {
    const lines = this.#waiting.take(nowMs)
    if (lines.length === 0) return lines
    for (const line of lines) {
      const replaced = this.#log.append(line.machineId, line.text, line)
      if (replaced !== null) for (const follower of this.#followers) follower.replaced(replaced)
    }
    for (const follower of this.#followers) follower.grown()
    return lines
  }

  /** Forgets machines that the database no longer names and that have not changed since this sequence. */
  keepOnly(machineIds: ReadonlySet<string>, sequence: number): void {
    for (const frame of this.#log.after(0)) {
      if (frame.sequence > sequence) return
      if (machineIds.has(frame.machineId)) continue
      this.#log.forget(frame.machineId)
      this.#heard.delete(frame.machineId)
    }
  }

  #hear({ machineId, timestamp, receivedAtMicros }: FeedLine): void {
    if ((this.#heard.get(machineId)?.receivedAtMicros ?? -1) >= receivedAtMicros) return
    // Put in anew, so that the machine heard longest ago is in front.
    this.#heard.delete(machineId)
    this.#heard.set(machineId, { timestamp, receivedAtMicros })
    const [longestAgo] = this.#heard.keys()
    if (this.#heard.size > LIMITS.machines && longestAgo !== undefined) this.#heard.delete(longestAgo)
  }
}
