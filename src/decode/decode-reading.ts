// One JSON value -> one reading, or the first thing that is wrong with it.
import { readingFields, type Reading, type RejectionCode } from '../reading.ts'
import { parseTimestamp } from '../timestamp.ts'
import { alarmsOf, checkText, FieldError, integerOf, numberOf, shown, textOf } from './fields.ts'
import { extraText } from './extra.ts'

export interface Refusal {
  readonly code: RejectionCode
  readonly reason: string
}

/** What a timestamp is held against: the time at which the stream received the message, not our clock. */
export interface TimeWindow {
  readonly receivedAtMs: number
  readonly earliestMs: number
  readonly latestMs: number
}

const MAX_ID_CHARACTERS = 128
const CONTROL = /\p{Cc}/u
const known = new Map<string, (typeof readingFields)[number]>(
  readingFields.map((field) => [field.name, field]),
)

/** All values absent: every reading begins as a copy of this, so that all have one shape. */
const blank = {
  machine_id: '',
  timestamp: '',
  ...Object.fromEntries(readingFields.map((field) => [field.name, null])),
  extra: null,
} as unknown as { -readonly [Name in keyof Reading]: Reading[Name] }

/** `source` is the value's JSON text, or how to get it; asked for only when numbers must be kept exactly. */
export function decodeReading(
  value: unknown,
  source: string | (() => string),
  window: TimeWindow,
): Reading | Refusal {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { code: 'wrong_root', reason: `a reading must be a JSON object, this is ${shown(value)}` }
  }
  try {
    return readingOf(value as Record<string, unknown>, source, window)
  } catch (error) {
    if (error instanceof FieldError) return { code: error.code, reason: error.message }
    throw error
  }
}

function readingOf(
  value: Record<string, unknown>,
  source: string | (() => string),
  window: TimeWindow,
): Reading {
  const reading = { ...blank }
  let unknownNames: string[] | null = null
  for (const name of Object.keys(value)) {
    const field = known.get(name)
    const given = value[name]
    if (field === undefined) {
      if (name === 'machine_id' || name === 'timestamp') continue
      if (given === null) checkText('an unknown name', name)
      else (unknownNames ??= []).push(name)
    } else if (given !== null) {
      switch (field.kind) {
        case 'number':
          reading[field.name] = numberOf(name, given)
          break
        case 'integer':
          reading[field.name] = integerOf(name, given)
          break
        case 'text':
          reading[field.name] = textOf(name, given)
          break
        case 'alarms':
          reading[field.name] = alarmsOf(name, given)
          break
      }
    }
  }
  reading.machine_id = machineIdOf(value['machine_id'])
  reading.timestamp = timestampOf(value['timestamp'], window)
  if (unknownNames !== null) reading.extra = extraText(value, unknownNames, source)
  return reading
}

function machineIdOf(given: unknown): string {
  if (given === undefined || given === null) throw new FieldError('missing_field', 'machine_id is missing')
  const id = textOf('machine_id', given)
  const wrong = (why: string) => new FieldError('bad_machine_id', `machine_id ${shown(id)} ${why}`)
  if (id === '') throw wrong('is empty')
  if (id === '.' || id === '..') throw wrong('cannot stand in an address')
  if (id.length > MAX_ID_CHARACTERS) {
    const characters = Array.from(id).length
    if (characters > MAX_ID_CHARACTERS) {
      throw wrong(`has ${characters} characters, allowed are ${MAX_ID_CHARACTERS}`)
    }
  }
  if (CONTROL.test(id)) throw wrong('holds a control character')
  return id
}

function timestampOf(given: unknown, window: TimeWindow): string {
  if (given === undefined || given === null) throw new FieldError('missing_field', 'timestamp is missing')
  if (typeof given !== 'string') {
    throw new FieldError('wrong_type', `timestamp must be a text, it is ${shown(given)}`)
  }
  const parsed = parseTimestamp(given)
  if (!parsed.ok) throw new FieldError('bad_timestamp', `timestamp ${shown(given)}: ${parsed.reason}`)
  if (parsed.ms > window.latestMs) {
    const by = duration(parsed.ms - window.receivedAtMs)
    throw new FieldError(
      'in_the_future',
      `timestamp ${shown(given)} lies ${by} after the message was received`,
    )
  }
  if (parsed.ms < window.earliestMs) {
    const by = duration(window.receivedAtMs - parsed.ms)
    throw new FieldError(
      'too_old',
      `timestamp ${shown(given)} lies ${by} back, longer than readings are kept`,
    )
  }
  return parsed.text
}

/** `2 h 5 min`: the two largest units that are not 0. */
function duration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const
  let rest = Math.round(ms)
  const parts: string[] = []
  for (const [unit, size] of units) {
    const amount = Math.floor(rest / size)
    rest -= amount * size
    if (amount > 0) parts.push(`${amount} ${unit}`)
    if (parts.length === 2) break
  }
  return parts.join(' ') || '0 ms'
}
