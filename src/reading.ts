// The one domain type that every stage shares: a reading, what one machine reported for one instant.
//
// The names are those of the wire, so that decoding, storing and giving back need no second vocabulary.
// Everything that is said about a field (its kind, unit and meaning) is said once, in `readingFields`:
// the decoder, the table's columns, the API's schema and the documents derive from it.

/** An alarm that is active at the reading's instant. */
export interface Alarm {
  /** The control's own code, as text. */
  readonly code: string
  /** The control's own wording. */
  readonly text: string
  /** MTConnect's condition levels (MTConnect Part 2): a fault stops the machine, a warning does not. */
  readonly severity: 'warning' | 'fault'
}

/** What a field may hold. An integer is kept exactly: its magnitude is below 2^53. */
export type FieldKind = 'number' | 'integer' | 'text' | 'alarms'

interface FieldValues {
  number: number
  integer: number
  text: string
  alarms: readonly Alarm[]
}

/** The optional fields of a reading, in the order in which they are given back. */
export const readingFields = [
  { name: 'temperature', kind: 'number', unit: '°C', meaning: 'temperature as the machine measures it' },
  { name: 'spindle_speed', kind: 'number', unit: 'rpm', meaning: 'actual spindle speed' },
  { name: 'x_pos_mm', kind: 'number', unit: 'mm', meaning: 'actual position of the X axis' },
  { name: 'y_pos_mm', kind: 'number', unit: 'mm', meaning: 'actual position of the Y axis' },
  { name: 'z_pos_mm', kind: 'number', unit: 'mm', meaning: 'actual position of the Z axis' },
  { name: 'feed_rate_actual', kind: 'number', unit: 'mm/min', meaning: 'actual path feed rate' },
  { name: 'spindle_load_percent', kind: 'number', unit: '%', meaning: 'spindle load; over 100 is real' },
  { name: 'machine_state', kind: 'text', unit: null, meaning: 'state in the words of the control' },
  { name: 'active_program_line', kind: 'integer', unit: null, meaning: 'line of the program being executed' },
  { name: 'total_power_kw', kind: 'number', unit: 'kW', meaning: 'electrical power drawn' },
  { name: 'controller_mode', kind: 'text', unit: null, meaning: "MTConnect's CONTROLLER_MODE" },
  { name: 'program', kind: 'text', unit: null, meaning: "MTConnect's PROGRAM: name of the active program" },
  { name: 'emergency_stop', kind: 'text', unit: null, meaning: "MTConnect's EMERGENCY_STOP" },
  { name: 'feed_override_percent', kind: 'number', unit: '%', meaning: 'feed override set by the operator' },
  { name: 'part_count', kind: 'integer', unit: null, meaning: 'parts, as the control counts them' },
  { name: 'alarms', kind: 'alarms', unit: null, meaning: 'all alarms active now; [] says there is none' },
] as const satisfies readonly {
  readonly name: string
  readonly kind: FieldKind
  readonly unit: string | null
  readonly meaning: string
}[]

type ReadingField = (typeof readingFields)[number]

/** The fields this program knows by name; null where the reading did not carry one. */
export type ReadingValues = {
  -readonly [F in ReadingField as F['name']]: FieldValues[F['kind']] | null
}

/** One accepted reading. Its values are exactly those that were sent: never clamped, rounded or guessed. */
export interface Reading extends Readonly<ReadingValues> {
  /** 1 to 128 characters, no control characters, not "." or "..". */
  readonly machine_id: string
  /**
   * The machine's own time: RFC 3339 in UTC with `Z`, `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`. Text, because a
   * JavaScript Date keeps milliseconds only and readings are kept to the microsecond.
   */
  readonly timestamp: string
  /**
   * Names this program does not know, as the text of one JSON object; null when there are none. Text,
   * because a JavaScript number would change integers beyond 2^53.
   */
  readonly extra: string | null
}

/** A refused reading, or a refused message: kept as a dead letter, never dropped. */
export interface Rejection {
  /** Stable word that programs may branch on; docs/wire-format.md lists them. */
  readonly code: RejectionCode
  /** One sentence for a person: what is wrong, with the offending name and value. */
  readonly reason: string
  /** Index of the reading in the message's array; 0 when the message is not an array. */
  readonly position: number
  /** What was refused: the bytes of the message, or the text of the array's element. */
  readonly payload: Uint8Array
  /** How many further refused readings of the same message this one stands for, beyond the kept ones. */
  readonly more: number
}

export const rejectionCodes = [
  'too_large',
  'not_utf8',
  'not_json',
  'wrong_root',
  'empty_array',
  'too_many_readings',
  'missing_field',
  'wrong_type',
  'bad_machine_id',
  'bad_timestamp',
  'in_the_future',
  'too_old',
  'not_finite',
  'not_exact',
  'bad_text',
  'too_deep',
  'extra_too_large',
  'bad_alarms',
  'refused_by_database',
  'internal_error',
] as const
export type RejectionCode = (typeof rejectionCodes)[number]

/**
 * A reading as it is given back: JSON text with the wire's names, absent fields left out, unknown names beside
 * the others as they were sent.
 */
export function readingJson(reading: Reading): string {
  let out = `{"machine_id":${JSON.stringify(reading.machine_id)},"timestamp":"${reading.timestamp}"`
  for (const { name } of readingFields) {
    const value = reading[name]
    if (value !== null) out += `,"${name}":${JSON.stringify(value)}`
  }
  return reading.extra === null || reading.extra === '{}' ? `${out}}` : `${out},${reading.extra.slice(1)}`
}
