// The last frame of every machine in the order in which they changed: a log that keeps of each machine only its
// last entry. A client is a place in it, whatever it has missed.
//
// Invariant: sequences rise and are never used twice. Bounded: beyond the limits the machine that has not changed
// for longest is forgotten.
import type { LiveFrame } from '../live-types.ts'

export interface FrameLimits {
  readonly machines: number
  /** Characters of all frames together. */
  readonly characters: number
}

interface Known<T> extends LiveFrame {
  readonly about: T
}

/** A place in the log; null: what stood there is replaced or forgotten. */
interface Place<T> {
  readonly sequence: number
  frame: Known<T> | null
}

/** Empty places are cleared out when they are more than the others and this many. */
const EMPTY_KEPT = 1_024

/** `T`: what is known of a frame besides. */
export class FrameLog<T> {
  readonly #limits: FrameLimits
  readonly #last = new Map<string, Place<T>>()
  /** Ascending. */
  #places: Place<T>[] = []
  #sequence = 0
  #characters = 0

  constructor(limits: FrameLimits) {
    this.#limits = limits
  }

  get sequence(): number {
    return this.#sequence
  }

  /** What is known of this machine's last frame. */
  lastOf(machineId: string): T | undefined {
    return this.#last.get(machineId)?.frame?.about
  }

  /** Adds the machine's newest frame; what it replaces, or null. */
  append(machineId: string, text: string, about: T): LiveFrame | null {
    const replaced = this.forget(machineId)
    this.#sequence += 1
    const place = { sequence: this.#sequence, frame: { sequence: this.#sequence, machineId, text, about } }
    this.#places.push(place)
    this.#last.set(machineId, place)
    this.#characters += text.length
    while (this.#last.size > this.#limits.machines || this.#characters > this.#limits.characters) {
      // The map is in the order of the log, because a machine that changes is put in anew.
      const [longestUnchanged] = this.#last.keys()
      if (longestUnchanged === undefined) break
      this.forget(longestUnchanged)
    }
    if (this.#places.length > 2 * this.#last.size + EMPTY_KEPT) {
      this.#places = this.#places.filter(({ frame }) => frame !== null)
    }
    return replaced
  }

  /** Takes the machine's frame out; null when there was none. */
  forget(machineId: string): LiveFrame | null {
    const place = this.#last.get(machineId)
    if (place === undefined) return null
    const { frame } = place
    place.frame = null
    this.#last.delete(machineId)
    this.#characters -= frame?.text.length ?? 0
    return frame
  }

  /** The frames after this sequence, oldest first. */
  *after(sequence: number): Generator<LiveFrame, void, undefined> {
    const places = this.#places
    for (let i = firstAfter(places, sequence); i < places.length; i++) {
      const frame = places[i]?.frame ?? null
      if (frame !== null) yield frame
    }
  }
}

/** Index of the first place with a higher sequence. */
function firstAfter(places: readonly { readonly sequence: number }[], sequence: number): number {
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((places[middle]?.sequence ?? Infinity) <= sequence) low = middle + 1
    else high = middle
  }
  return low
}
