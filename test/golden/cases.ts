// The golden inputs as values.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DecodeLimits } from '../../src/decode/decode-message.ts'

export interface GoldenCase {
  readonly name: string
  readonly message: Uint8Array
  readonly expected: {
    readonly answer: 'ack' | 'term'
    readonly readings: readonly Record<string, unknown>[]
    readonly dead_letters: readonly { readonly position: number; readonly code: string }[]
  }
}

export const receivedAtMs = Date.parse('2026-03-01T12:00:00Z')

export const defaultLimits: DecodeLimits = {
  maxPayloadBytes: 2 ** 20,
  maxReadings: 2_000,
  maxFutureMs: 3_600_000,
  maxAgeMs: 90 * 86_400_000,
  maxRejections: 100,
}

export function goldenCases(): GoldenCase[] {
  return readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const folder = join(import.meta.dirname, name)
      const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as GoldenCase['expected']
      return { name, message: messageIn(folder), expected }
    })
}

type Generated = { repeat: string; times: number; then?: string } | { array: object; times: number }

function messageIn(folder: string): Uint8Array {
  const bytes = join(folder, 'message.json')
  if (existsSync(bytes)) return readFileSync(bytes)
  const hex = join(folder, 'message.hex')
  if (existsSync(hex)) return Buffer.from(readFileSync(hex, 'utf8').trim(), 'hex')
  const recipe = JSON.parse(readFileSync(join(folder, 'message.gen.json'), 'utf8')) as Generated
  if ('array' in recipe) return Buffer.from(JSON.stringify(Array(recipe.times).fill(recipe.array)))
  return Buffer.from(recipe.repeat.repeat(recipe.times) + (recipe.then ?? '').repeat(recipe.times))
}
