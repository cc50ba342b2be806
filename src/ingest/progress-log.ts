// The log of what was stored and what was refused, bounded under any load.
//
// Invariant: the first line for a machine in any second is never held back. Further ones in that second are,
// and so are malformed messages beyond a number a second; a later line says how many. Of batches of which messages were
// given back one a second is told.
import type {
  DecodedMessage,
  MessageBatch,
  MessageInBatch,
  RefusedReadings,
  WriteOutcome,
} from '../pipeline-types.ts'

const MALFORMED_LINES_PER_SECOND = 10

export interface Lines {
  info(line: string): void
  warn(line: string): void
}

interface Held {
  second: number
  readings: number
  lines: number
}

export interface ProgressLog {
  committed(batch: MessageBatch, outcome: WriteOutcome & { kind: 'committed' }): void
  /** Writes what was held back in seconds that are over; to be called about once a second, and at the end. */
  flush(nowMs: number): void
}

export function progressLog(lines: Lines, clock: () => number = Date.now): ProgressLog {
  const said = new Map<string, Held>()
  const malformed = { second: 0, written: 0, held: 0 }
  let givenBackSecond = 0

  const sayStored = (machine: string, readings: number, heldLines: number) => {
    const count = `${readings} reading${readings === 1 ? '' : 's'}`
    const held = heldLines === 0 ? '' : `, ${heldLines} line${heldLines === 1 ? '' : 's'} held back`
    lines.info(`Successfully processed and stored data for machine: ${machine} (${count}${held})`)
  }

  const stored = (machine: string, readings: number, second: number) => {
    const held = said.get(machine)
    if (held === undefined || held.second !== second) {
      sayStored(machine, readings + (held?.readings ?? 0), held?.lines ?? 0)
      said.set(machine, { second, readings: 0, lines: 0 })
    } else {
      held.readings += readings
      held.lines += 1
    }
  }

  const sayMalformedHeld = () => {
    if (malformed.held > 0) {
      lines.warn(`${malformed.held} more malformed messages were terminated; their lines were held back.`)
    }
    malformed.held = 0
  }

  const refused = (line: string, second: number) => {
    if (malformed.second !== second) {
      sayMalformedHeld()
      malformed.second = second
      malformed.written = 0
    }
    if (malformed.written >= MALFORMED_LINES_PER_SECOND) {
      malformed.held += 1
      return
    }
    malformed.written += 1
    lines.warn(line)
  }

  const givenBack = (postponed: ReadonlyMap<DecodedMessage, string>, second: number) => {
    const [first] = postponed
    if (first === undefined || givenBackSecond === second) return
    givenBackSecond = second
    const [{ delivery }, reason] = first
    const others = postponed.size === 1 ? '' : ` and ${postponed.size - 1} more of its batch`
    const times = `${delivery.deliveryCount} time${delivery.deliveryCount === 1 ? '' : 's'}`
    lines.warn(
      `Message ${delivery.sequence}${others} could not be written (tried ${times}): ${reason}. It is tried again.`,
    )
  }

  const sayRefused = (message: MessageInBatch, byDatabase: RefusedReadings | undefined, second: number) => {
    const first = message.rejections[0] ?? byDatabase?.rejections[0]
    if (first === undefined) return
    const isTerminated = message.readingCount === (byDatabase?.positions.size ?? 0)
    refused(
      isTerminated
        ? `Error unmarshalling message data: ${first.reason}. Message will be terminated.`
        : `Part of message ${message.delivery.sequence} was refused: ${first.reason}. Its other readings are stored.`,
      second,
    )
  }

  return {
    committed({ messages, machines }, outcome) {
      const second = Math.floor(clock() / 1000)
      const notStored = new Map<string, number>()
      givenBack(outcome.postponed, second)
      const isPlain = outcome.refused.size === 0 && outcome.postponed.size === 0
      for (const message of messages) {
        const isPostponed = !isPlain && outcome.postponed.has(message)
        const byDatabase = isPlain ? undefined : outcome.refused.get(message)
        if (!isPostponed) sayRefused(message, byDatabase, second)
        if (!isPostponed && byDatabase === undefined) continue
        for (const { position, reading } of message.readings) {
          if (!isPostponed && byDatabase?.positions.has(position) !== true) continue
          notStored.set(reading.machine_id, (notStored.get(reading.machine_id) ?? 0) + 1)
        }
      }
      for (const [machine, { readings }] of machines) {
        const here = readings - (notStored.get(machine) ?? 0)
        if (here > 0) stored(machine, here, second)
      }
    },

    flush(nowMs) {
      const second = Math.floor(nowMs / 1000)
      for (const [machine, held] of said) {
        if (held.second >= second) continue
        if (held.lines > 0) sayStored(machine, held.readings, held.lines)
        said.delete(machine)
      }
      if (malformed.second < second) sayMalformedHeld()
    },
  }
}
