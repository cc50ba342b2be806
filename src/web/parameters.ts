// Parameters of addresses, read one by one: each says what it must be, and a wrong one is a problem with its name.
import { parseTimestamp } from '../timestamp.ts'
import { Problem } from './problems.ts'

/** As the decoder takes them. */
const MACHINE_ID = /^(?!\.{1,2}$)\P{Cc}{1,128}$/u

/** As the query string gives it; an array when it stands there more than once. */
export type Parameter = string | string[]

/** RFC 3339 in UTC. */
export function timeOf(name: string, value: Parameter): string {
  const parsed = typeof value === 'string' ? parseTimestamp(value) : null
  if (parsed !== null && parsed.ok) return parsed.text
  const hint = typeof value === 'string' && / \d\d:\d\d$/.test(value) ? ' A "+" in a URL is written %2B.' : ''
  const wanted = 'one RFC 3339 time with an offset, such as 2026-03-01T12:00:00Z'
  throw wrong(name, value, wanted, hint)
}

export function wholeNumberOf(name: string, value: Parameter, least: number, most: number): number {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : NaN
  if (number >= least && number <= most) return number
  throw wrong(name, value, `one whole number from ${least} to ${most}`)
}

const LARGEST_ID = 2n ** 63n - 1n

/** An id that the database made, as text: it may be beyond what a number holds. */
export function idOf(name: string, value: Parameter): string {
  if (typeof value === 'string' && /^[1-9]\d{0,18}$/.test(value) && BigInt(value) <= LARGEST_ID) return value
  throw wrong(name, value, 'an id as the list gives it')
}

export function textOf(name: string, value: Parameter, most = 1_000): string {
  const isText = typeof value === 'string' && value !== '' && value.length <= most
  if (isText && !value.includes('\0') && value.isWellFormed()) return value
  throw wrong(name, value, `one text of 1 to ${most} characters without U+0000`)
}

/** The query of an address that takes no parameters, or only `known` ones. */
export function noParameters(query: object, known: readonly string[] = []): void {
  const unknown = Object.keys(query).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const allowed = known.length === 0 ? 'this address takes none' : `${known.join(', ')} are known`
  throw new Problem('invalid_parameter', `${unknown} is no parameter here; ${allowed}.`, unknown)
}

/** An id that a machine may have. */
export function machineIdOf(name: string, value: Parameter): string {
  if (typeof value === 'string' && MACHINE_ID.test(value) && value.isWellFormed()) return value
  throw wrong(name, value, 'one machine id: 1 to 128 characters, no control characters, not "." or ".."')
}

/** The id of a machine that exists or may come. */
export function machineOf(name: string, value: Parameter): string {
  if (typeof value === 'string' && MACHINE_ID.test(value) && value.isWellFormed()) return value
  throw wrong(name, value, 'one machine id: 1 to 128 characters, no control characters, not "." or ".."')
}

export function oneOf<T extends string>(name: string, value: Parameter, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found !== undefined) return found
  throw wrong(name, value, `one of ${allowed.join(', ')}`)
}

function wrong(name: string, value: Parameter, wanted: string, hint = ''): Problem {
  const shown = JSON.stringify(value).slice(0, 200)
  return new Problem('invalid_parameter', `${name} must be ${wanted}; it is ${shown}.${hint}`, name)
}
