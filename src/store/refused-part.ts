// What can be told about the part of a message that was refused: whether it is one element of an array, and which
// machine it names.
import type { Rejection, RejectionCode } from '../reading.ts'

/** Codes that refuse a message before it is looked into: its elements are not told apart. */
const WHOLE_MESSAGE: ReadonlySet<RejectionCode> = new Set([
  'too_large',
  'not_utf8',
  'not_json',
  'empty_array',
  'too_many_readings',
])
const MACHINE_ID = /^(?!\.{1,2}$)[^\p{Cc}\p{Cs}]{1,128}$/u

/** `data`: the message that the rejection belongs to. */
export function isArrayElement({ code, payload }: Rejection, data: Uint8Array): boolean {
  // Where this program fails to read a message it is refused as a whole, for a reason that elements have as well.
  return !WHOLE_MESSAGE.has(code) && payload !== data && isArrayText(data)
}

/** The machine a refused reading names, so that its dead letters are found by it; null where it names none. */
export function machineNamedIn({ code, payload }: Rejection): string | null {
  if (WHOLE_MESSAGE.has(code)) return null
  try {
    const value = JSON.parse(Buffer.from(payload).toString()) as { machine_id?: unknown } | null
    const id = value?.machine_id
    return typeof id === 'string' && MACHINE_ID.test(id) ? id : null
  } catch {
    return null
  }
}

/** Whether JSON text is an array: its first character after blanks says so. */
export function isArrayText(data: Uint8Array): boolean {
  return data.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) === 0x5b
}
