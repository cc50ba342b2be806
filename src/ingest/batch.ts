// Messages that are written together, and when they are. Pure: no timers, no clock; the pipeline owns both.
//
// Invariant: readings are not held. Rows are made of a message when it is added, in the turn in which it was decoded;
// what observers want to know of its readings is summed up by machine.
import type { Delivery, MachineInBatch, MessageBatch, OpenBatch, WriteOutcome } from '../pipeline-types.ts'
import type { Reading } from '../reading.ts'
import { isLater } from '../timestamp.ts'
import { type Decode, HeldMessage } from './held-message.ts'

export interface BatchLimits {
  readonly messages: number
  readonly readings: number
  /** Payload bytes. */
  readonly bytes: number
  /** Longest the first message waits for the batch to fill, in milliseconds. */
  readonly ageMs: number
}

export class Batch implements MessageBatch {
  readonly messages: HeldMessage[] = []
  readonly machines = new Map<string, Machine>()
  readonly #decode: Decode
  readonly #rows: OpenBatch
  #readings = 0
  #bytes = 0

  /** `rows`: the same batch in the sink. */
  constructor(decode: Decode, rows: OpenBatch) {
    this.#decode = decode
    this.#rows = rows
  }

  add(delivery: Delivery): void {
    const message = this.#decode(delivery)
    this.#rows.add(message)
    for (const { reading } of message.readings) {
      const machine = this.machines.get(reading.machine_id)
      if (machine === undefined)
        this.machines.set(reading.machine_id, new Machine(reading, delivery.receivedAtMs))
      else machine.add(reading, delivery.receivedAtMs)
    }
    this.messages.push(new HeldMessage(message, this.#decode))
    this.#readings += message.readings.length
    this.#bytes += delivery.size
  }

  isEmpty(): boolean {
    return this.messages.length === 0
  }

  /** Which limit the batch has reached; null: none yet. It is exceeded by one message at most. */
  fullBy(limits: BatchLimits): 'messages' | 'readings' | 'bytes' | null {
    if (this.messages.length >= limits.messages) return 'messages'
    if (this.#readings >= limits.readings) return 'readings'
    return this.#bytes >= limits.bytes ? 'bytes' : null
  }

  write(): Promise<WriteOutcome> {
    return this.#rows.write(this.messages)
  }
}

class Machine implements MachineInBatch {
  readings = 1
  newest: Reading
  newestReceivedAtMs: number

  constructor(first: Reading, receivedAtMs: number) {
    this.newest = first
    this.newestReceivedAtMs = receivedAtMs
  }

  add(reading: Reading, receivedAtMs: number): void {
    this.readings += 1
    const { timestamp } = this.newest
    const isNewer =
      reading.timestamp === timestamp
        ? receivedAtMs >= this.newestReceivedAtMs
        : isLater(reading.timestamp, timestamp)
    if (!isNewer) return
    this.newest = reading
    this.newestReceivedAtMs = receivedAtMs
  }
}
