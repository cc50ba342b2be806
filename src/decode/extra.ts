// The names this program does not know: kept as they were sent, within bounds.
import { checkText, FieldError, shownName } from './fields.ts'
import { parseJson } from './parse-json.ts'

const MAX_NAMES = 64
const MAX_BYTES = 8 * 1024
const MAX_DEPTH = 32

/** The text of one JSON object with the given names of `value`. Throws FieldError. */
export function extraText(
  value: Record<string, unknown>,
  names: readonly string[],
  source: string | (() => string),
): string {
  if (names.length > MAX_NAMES) {
    throw new FieldError(
      'extra_too_large',
      `${names.length} unknown names, allowed are ${MAX_NAMES} a reading`,
    )
  }
  let isExact = true
  for (const name of names) {
    checkText('an unknown name', name)
    if (!checkValue(name, value[name], 1)) isExact = false
  }
  const values = isExact ? value : exactly(typeof source === 'string' ? source : source())
  // Without a prototype "__proto__" is a name like any other.
  const extra = Object.create(null) as Record<string, unknown>
  for (const name of names) extra[name] = values[name]
  const text = JSON.stringify(extra)
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_BYTES) {
    throw new FieldError(
      'extra_too_large',
      `the unknown names take ${bytes} bytes, allowed are ${MAX_BYTES} a reading`,
    )
  }
  return text
}

/** Whether JavaScript holds every number in it as it was sent. Throws FieldError for what cannot be stored. */
function checkValue(name: string, value: unknown, depth: number): boolean {
  if (typeof value === 'string') checkText(name, value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) {
      throw new FieldError(
        'not_finite',
        `${shownName(name)} holds a number beyond what a number can hold (IEEE 754 double)`,
      )
    }
    return !Number.isInteger(value) || Number.isSafeInteger(value)
  }
  if (typeof value !== 'object' || value === null) return true
  if (depth > MAX_DEPTH) {
    throw new FieldError('too_deep', `${shownName(name)} is nested deeper than ${MAX_DEPTH} levels`)
  }
  let isExact = true
  for (const [key, inner] of Object.entries(value)) {
    checkText(`a name in ${name}`, key)
    if (!checkValue(name, inner, depth + 1)) isExact = false
  }
  return isExact
}

/** ECMAScript's own; the compiler's library does not know it yet. */
const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

/** Parsed again, with integers beyond 2^53 as the text they were sent as. */
function exactly(source: string): Record<string, unknown> {
  return parseJson(source, (_name, value, { source: text }) =>
    typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value) && text !== undefined
      ? rawJSON(text)
      : value,
  ) as Record<string, unknown>
}
