// The values of the known fields: taken as they are, or refused with a sentence.
import type { Alarm, RejectionCode } from '../reading.ts'

/** What is wrong with a reading; caught by the decoder, never seen outside this folder. */
export class FieldError extends Error {
  override readonly name = 'FieldError'
  readonly code: RejectionCode

  constructor(code: RejectionCode, reason: string) {
    super(reason)
    this.code = code
  }
}

const MAX_ALARMS = 100
const SHOWN_CHARACTERS = 60
/** Controls, lone surrogates, line separators, the byte order mark: none is above U+FFFF. */
const UNSEEN = /[\p{Cc}\p{Cs}\u2028\u2029\ufeff]/u

export function numberOf(name: string, given: unknown): number {
  if (typeof given !== 'number') throw wrongType(name, 'a number', given)
  if (!Number.isFinite(given)) {
    throw new FieldError('not_finite', `${name} is beyond what a number can hold (IEEE 754 double)`)
  }
  return given
}

export function integerOf(name: string, given: unknown): number {
  const value = numberOf(name, given)
  if (!Number.isInteger(value)) throw wrongType(name, 'a whole number', given)
  if (!Number.isSafeInteger(value)) {
    throw new FieldError('not_exact', `${name} is ${value}: whole numbers are kept exactly up to 2^53 only`)
  }
  return value
}

export function textOf(name: string, given: unknown): string {
  if (typeof given !== 'string') throw wrongType(name, 'a text', given)
  checkText(name, given)
  return given
}

/** Refuses what PostgreSQL's text cannot hold. */
export function checkText(name: string, text: string): void {
  if (text.includes('\0')) throw new FieldError('bad_text', `${shownName(name)} holds the character U+0000`)
  if (!text.isWellFormed()) {
    throw new FieldError('bad_text', `${shownName(name)} holds half of a character (a lone surrogate)`)
  }
}

export function alarmsOf(name: string, given: unknown): readonly Alarm[] {
  if (!Array.isArray(given)) throw wrongType(name, 'an array of alarms', given)
  if (given.length > MAX_ALARMS) {
    throw new FieldError('bad_alarms', `${name} has ${given.length} entries, allowed are ${MAX_ALARMS}`)
  }
  return given.map((entry: unknown, i) => {
    const { code, text, severity, ...others } = (entry ?? {}) as Record<string, unknown>
    const isWhole = typeof code === 'string' && typeof text === 'string' && Object.keys(others).length === 0
    if (!isWhole || (severity !== 'warning' && severity !== 'fault')) {
      throw new FieldError(
        'bad_alarms',
        `${name}[${i}] must be {"code": text, "text": text, "severity": "warning" or "fault"}, it is ${shown(entry)}`,
      )
    }
    checkText(`${name}[${i}].code`, code)
    checkText(`${name}[${i}].text`, text)
    return { code, text, severity }
  })
}

function wrongType(name: string, wanted: string, given: unknown): FieldError {
  return new FieldError('wrong_type', `${name} must be ${wanted}, it is ${shown(given)}`)
}

/** A value as a person should see it: short, and never the source of another problem. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return printable(typeof value === 'number' ? String(value) : JSON.stringify(value), SHOWN_CHARACTERS)
}

/** A name that the sender made up, as a person should see it. */
export function shownName(name: string): string {
  return name === '' ? '""' : printable(name, SHOWN_CHARACTERS)
}

/** On one line, whole characters, cut at `limit` UTF-16 units; what cannot be seen stands as its code. */
export function printable(text: string, limit: number): string {
  let out = ''
  for (const character of text) {
    const part = UNSEEN.test(character)
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      : character
    if (out.length + part.length > limit) return `${out}…`
    out += part
  }
  return out
}
