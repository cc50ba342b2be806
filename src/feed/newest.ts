// Which of two readings of a machine is its last one: the same rule for what is stored here, told by others and
// read from the database.
import { isLater } from '../timestamp.ts'

export interface Dated {
  /** The machine's own time, as readings have it. */
  readonly timestamp: string
  /** When the stream received it: microseconds since 1970. */
  readonly receivedAtMicros: number
}

/** By the machine's own time, then by receipt. Not newer than itself. */
export function isNewer(timestamp: string, receivedAtMicros: number, than: Dated): boolean {
  return timestamp === than.timestamp
    ? receivedAtMicros > than.receivedAtMicros
    : isLater(timestamp, than.timestamp)
}
