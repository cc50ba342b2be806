// Frames joined to what is written in one piece. Clients at the same place get the same bytes, made once.
import type { LiveFrames } from '../../live-types.ts'
import type { LiveEncoding } from './connection.ts'

const CHUNK_BYTES = 64 * 2 ** 10
/** Places remembered at once. */
const PLACES = 64

export interface Chunk {
  readonly bytes: Buffer
  /** Frames in it. */
  readonly count: number
  /** The place of whoever has it. */
  readonly upTo: number
}

/** Of one encoding. */
export class Chunks {
  readonly #frames: LiveFrames
  readonly #encoding: LiveEncoding
  /** By place; they are of this sequence. */
  readonly #made = new Map<number, Chunk>()
  #sequence = 0

  constructor(frames: LiveFrames, encoding: LiveEncoding) {
    this.#frames = frames
    this.#encoding = encoding
  }

  /** What comes after this place, not more than a chunk. `machines`: only theirs; null: all. */
  after(place: number, machines: ReadonlySet<string> | null): Chunk {
    if (machines !== null) return this.#make(place, machines)
    if (this.#sequence !== this.#frames.sequence || this.#made.size >= PLACES) {
      this.#made.clear()
      this.#sequence = this.#frames.sequence
    }
    let chunk = this.#made.get(place)
    if (chunk === undefined) this.#made.set(place, (chunk = this.#make(place, null)))
    return chunk
  }

  /** Says that so many frames were left out in the last `forMs` milliseconds. */
  skipped(frames: number, forMs: number): Buffer {
    const nowMs = Date.now()
    const data = JSON.stringify({ frames, since: new Date(nowMs - forMs).toISOString() })
    const timestamp = new Date(nowMs).toISOString()
    return this.#encoding.notice('skipped', `{"type":"skipped","data":${data},"timestamp":"${timestamp}"}`)
  }

  #make(place: number, machines: ReadonlySet<string> | null): Chunk {
    const parts: Buffer[] = []
    let size = 0
    let upTo = place
    for (const frame of this.#frames.after(place)) {
      if (machines?.has(frame.machineId) !== false) {
        const part = this.#encoding.frame(frame, this.#frames.id)
        if (size > 0 && size + part.length > CHUNK_BYTES) {
          return { bytes: Buffer.concat(parts), count: parts.length, upTo }
        }
        parts.push(part)
        size += part.length
      }
      upTo = frame.sequence
    }
    return { bytes: Buffer.concat(parts), count: parts.length, upTo: this.#frames.sequence }
  }
}
