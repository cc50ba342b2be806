// One client of the live feed: a place in the log of frames, moved on as fast as the client reads.
//
//   following (its place is the end) --(its wire is full)--> behind --(drained)--> catching up --> following
//
// Invariant: a client costs the same memory however far it is behind: a place, a count, and what its wire may
// hold. A new client is one that is far behind; what it gets then is told as skipped to none.
import type { LiveFrame, LiveFrames } from '../../live-types.ts'
import type { Chunks } from './chunks.ts'
import type { LiveConnection } from './connection.ts'

/** What may wait for the operating system to take it; a chunk is added at most. */
const ROOM_BYTES = 256 * 2 ** 10

export interface LiveClientOptions {
  readonly frames: LiveFrames
  readonly connection: LiveConnection
  readonly chunks: Chunks
  /** Null: all. */
  readonly machines: ReadonlySet<string> | null
  /** What it has already: nothing up to this sequence is sent. */
  readonly after: number
}

export class LiveClient {
  readonly connection: LiveConnection
  readonly #options: LiveClientOptions
  /** Frames up to here were there before it came. */
  readonly #cameAt: number
  #place: number
  #skipped = 0
  #sinceMs: number | null = null
  /** Of pings: whether anything was heard since the last one. */
  isAlive = true
  /** Messages it sent since the last ping. */
  messages = 0

  constructor(options: LiveClientOptions) {
    this.#options = options
    this.connection = options.connection
    this.#place = options.after
    this.#cameAt = options.frames.sequence
  }

  /** Since when its wire has been full, by the clock of `advance`; null: it is not. */
  get behindSinceMs(): number | null {
    return this.#sinceMs
  }

  /** This frame will never be sent. */
  replaced({ sequence, machineId }: LiveFrame): void {
    if (sequence <= this.#place || sequence <= this.#cameAt) return
    if (this.#options.machines?.has(machineId) !== false) this.#skipped += 1
  }

  /** Writes what it has not got yet, as far as its wire has room; what it skipped is said first. */
  advance(nowMs: number): { sent: number; skipped: number } {
    const { frames, connection, chunks, machines } = this.#options
    const done = { sent: 0, skipped: 0 }
    while (this.#place < frames.sequence) {
      if (connection.waitingBytes > ROOM_BYTES) {
        this.#sinceMs ??= nowMs
        return done
      }
      if (this.#skipped > 0) {
        connection.write(chunks.skipped(this.#skipped, nowMs - (this.#sinceMs ?? nowMs)))
        done.skipped += this.#skipped
        this.#skipped = 0
      }
      const { bytes, count, upTo } = chunks.after(this.#place, machines)
      if (count > 0) connection.write(bytes)
      done.sent += count
      this.#place = upTo
      // It moved: what it is slow for begins anew.
      this.#sinceMs = null
    }
    return done
  }
}
