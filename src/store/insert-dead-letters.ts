// Dead letters into their table: what was refused, whole, with where it came from.
import type { Delivery } from '../pipeline-types.ts'
import type { Rejection } from '../reading.ts'
import { numberArray, textArray } from './array-literal.ts'
import { idText, type MessageId } from './message-id.ts'
import { timeText } from './reading-columns.ts'
import { isArrayElement, machineNamedIn } from './refused-part.ts'

export interface DeadLetterRow extends Rejection {
  readonly id: MessageId
  readonly delivery: Delivery
  readonly inArray: boolean
  readonly machineId: string | null
}

/** As much of a dead letter as every database takes: what is kept of payload and reason. */
const SHORT_PAYLOAD_BYTES = 1_024
const SHORT_REASON_CHARACTERS = 500

export function deadLetterRow(rejection: Rejection, id: MessageId, delivery: Delivery): DeadLetterRow {
  return {
    ...rejection,
    id,
    delivery,
    inArray: isArrayElement(rejection, delivery.data),
    machineId: machineNamedIn(rejection),
  }
}

/** For a database that does not take it whole; `why`: its words. What is read from the whole stays as it is. */
export function shortened(row: DeadLetterRow, why: string): DeadLetterRow {
  const payload = row.payload.subarray(0, SHORT_PAYLOAD_BYTES)
  const reason = row.reason.slice(0, SHORT_REASON_CHARACTERS)
  const kept = `kept are ${payload.length} of ${row.payload.length} bytes, because the database refused the dead letter`
  return { ...row, payload, reason: `${reason} (${kept}: ${why.slice(0, SHORT_REASON_CHARACTERS)})` }
}

const text = `
  INSERT INTO dead_letters
    (message_id, position, stream, sequence, subject, code, reason, payload, more, received_at,
     in_array, machine_id)
  SELECT * FROM unnest(
    $1::int8[], $2::int4[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::int4[],
    $10::timestamptz[], $11::bool[], $12::text[])
  ON CONFLICT (message_id, position) DO NOTHING`

export function insertDeadLetters(rows: readonly DeadLetterRow[]): { text: string; values: string[] } {
  const values = [
    numberArray(rows.map((row) => idText(row.id))),
    numberArray(rows.map((row) => row.position)),
    textArray(rows.map((row) => row.delivery.incarnation.stream)),
    numberArray(rows.map((row) => row.delivery.sequence)),
    textArray(rows.map((row) => storable(row.delivery.subject))),
    textArray(rows.map((row) => row.code)),
    textArray(rows.map((row) => storable(row.reason))),
    textArray(rows.map((row) => `\\x${Buffer.from(row.payload).toString('hex')}`)),
    numberArray(rows.map((row) => row.more)),
    textArray(rows.map((row) => timeText(row.delivery.receivedAtMs))),
    textArray(rows.map((row) => String(row.inArray))),
    textArray(rows.map((row) => row.machineId)),
  ]
  return { text, values }
}

/** PostgreSQL's text holds neither U+0000 nor lone surrogates, which a reason may quote and a subject may hold. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\u2400')
}
