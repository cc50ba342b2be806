// What is made of messages as they join a batch, so that nobody has to hold their readings: the rows to be copied,
// and what else their transaction wants to know.
import type { DecodedMessage } from '../pipeline-types.ts'
import type { CopyRows } from './copy-rows.ts'
import { ReadingHours } from './late-readings.ts'
import type { MessageIds } from './message-id.ts'
import type { ReadingRow } from './reading-columns.ts'

export class BatchDraft {
  /** Machines that its readings name. */
  readonly machines = new Set<string>()
  readonly hours = new ReadingHours()
  readonly #ids: MessageIds
  /** Where the server takes no COPY: rows to be inserted. They hold their readings; decoding twice is dearer there. */
  readonly toInsert: ReadingRow[] | null
  #emptyRows: (() => CopyRows) | null
  #rows: CopyRows | null = null

  /** `emptyRows`: null where rows are not to be copied. */
  constructor(ids: MessageIds, emptyRows: (() => CopyRows) | null) {
    this.#ids = ids
    this.#emptyRows = emptyRows
    this.toInsert = emptyRows === null ? [] : null
  }

  /** Null when there are none, or they are not to be copied. */
  get rows(): CopyRows | null {
    return this.#emptyRows === null ? null : this.#rows
  }

  /** Throws where the message's incarnation has no number yet; nothing is to be made of the draft then. */
  add({ delivery, readings }: DecodedMessage): void {
    // COPY knows no ON CONFLICT: it is for messages that were never delivered before.
    if (delivery.deliveryCount !== 1) this.#emptyRows = null
    for (const { reading } of readings) {
      this.machines.add(reading.machine_id)
      this.hours.add(reading.timestamp)
    }
    if (readings.length === 0) return
    const id = this.#ids.of(delivery.incarnation, delivery.sequence)
    const { receivedAtMs } = delivery
    for (const { position, reading } of readings) this.toInsert?.push({ id, position, receivedAtMs, reading })
    if (this.#emptyRows === null) return
    const rows = (this.#rows ??= this.#emptyRows())
    for (const { position, reading } of readings) rows.add(id, position, receivedAtMs, reading)
  }
}
