// Payloads that nobody would send: random bytes, random JSON, and readings that were spoilt on the way. Seeded,
// so that a run can be repeated.
import type { Random } from '../../src/sources/shop/random.ts'

const DAY_MS = 86_400_000
const FIELDS = [
  ['temperature', '65.5'],
  ['spindle_speed', '12000'],
  ['part_count', '17'],
  ['program', '"O1000"'],
  ['alarms', '[{"code":"1","text":"door","severity":"fault"}]'],
  ['machine_state', '"RUNNING"'],
  ['tool', '{"number":7}'],
  ['__proto__', '1'],
] as const
const ODD_TEXTS = [
  '',
  ' ',
  '\0',
  '\ud800',
  '😀',
  'ÿ',
  '"',
  '\\',
  '{',
  'x'.repeat(300),
  '1',
  'null',
  '\u2028',
] as const
const ODD_VALUES = [
  '0',
  '-0',
  '1e308',
  '1e999',
  '-1e-400',
  '9007199254740993',
  '0.1',
  '1E5',
  '01',
  '+1',
  '.5',
  'NaN',
  'true',
  'false',
  'null',
] as const
const ODD_TIMES = [
  '2026-02-30T00:00:00Z',
  '1970-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '0000-01-01T00:00:00Z',
  '2026-01-01 00:00:00',
  '2026-01-01T24:00:00Z',
  '2026-01-01T00:00:60+14:00',
  'yesterday',
] as const

/** One payload: mostly a single reading, good or spoilt, else an array of them, or no JSON at all. */
export function randomPayload(random: Random, nowMs: number): Uint8Array {
  const kind = random.next()
  if (kind < 0.05) return bytes(random, random.whole(0, 64))
  if (kind < 0.1) return Buffer.from(json(random, 4))
  const text =
    kind < 0.5
      ? reading(random, nowMs)
      : `[${Array.from({ length: random.whole(0, 16) }, () => element(random, nowMs)).join()}]`
  return random.next() < 0.25 ? spoilt(random, Buffer.from(text)) : Buffer.from(text)
}

/** How many readings a payload holds, each of which is stored or refused by itself; 1 for what is no array. */
export function readingsIn(payload: Uint8Array): number {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload)
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? Math.max(1, value.length) : 1
  } catch {
    return 1
  }
}

function element(random: Random, nowMs: number): string {
  return random.next() < 0.8 ? reading(random, nowMs) : json(random, 3)
}

function reading(random: Random, nowMs: number): string {
  const id = random.next() < 0.95 ? JSON.stringify(`F${random.whole(0, 20)}`) : text(random)
  const names = [`"machine_id":${id}`, `"timestamp":${time(random, nowMs)}`]
  for (let more = random.whole(0, 4); more > 0; more--) {
    const [name, value] = random.oneOf<readonly [string, string]>(FIELDS)
    names.push(`"${name}":${random.next() < 0.95 ? value : json(random, 3)}`)
  }
  return `{${names.join()}}`
}

/** All over the place: mostly within what is kept, also years away, and in forms that are none. */
function time(random: Random, nowMs: number): string {
  const where = random.next()
  if (where < 0.1) return JSON.stringify(random.oneOf(ODD_TIMES))
  if (where < 0.15) return json(random, 1)
  const daysBack = where < 0.9 ? random.between(0, 89) : random.between(-40_000, 20_000)
  const date = new Date(nowMs - daysBack * DAY_MS)
  return JSON.stringify(
    random.next() < 0.5 ? date.toISOString() : date.toISOString().replace('Z', '456+00:00'),
  )
}

function json(random: Random, depth: number): string {
  const kind = random.next()
  if (kind < 0.02) return '['.repeat(200) + ']'.repeat(random.whole(199, 200))
  if (kind < 0.3) return text(random)
  if (kind < 0.55 || depth === 0) return random.oneOf(ODD_VALUES)
  const parts = Array.from({ length: random.whole(0, 4) }, () => json(random, depth - 1))
  return kind < 0.8 ? `[${parts.join()}]` : `{${parts.map((part) => `${text(random)}:${part}`).join()}}`
}

function text(random: Random): string {
  return JSON.stringify(random.oneOf(ODD_TEXTS))
}

function bytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.whole(0, 255))
}

/** Flipped, cut, repeated or filled in at a random place. */
function spoilt(random: Random, whole: Buffer): Uint8Array {
  const at = random.whole(0, whole.length)
  const to = Math.min(whole.length, at + random.whole(1, 16))
  switch (random.whole(0, 3)) {
    case 0: {
      const flipped = Buffer.from(whole)
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.whole(0, 7))
      return flipped
    }
    case 1:
      return whole.subarray(0, at)
    case 2:
      return Buffer.concat([whole.subarray(0, to), whole.subarray(at)])
    default:
      return Buffer.concat([whole.subarray(0, at), bytes(random, random.whole(1, 8)), whole.subarray(at)])
  }
}
