// Where a page of readings ended, as a client hands it back: opaque, and of use only in the same order of the same
// machines.
import { createHash } from 'node:crypto'
import type { ReadingKey, ReadingsOrder } from '../readings-query.ts'
import { parseTimestamp } from '../timestamp.ts'
import type { Parameter } from './parameters.ts'
import { Problem } from './problems.ts'

interface Listing {
  readonly machineIds: readonly string[] | null
  readonly order: ReadingsOrder
}

const MOST_CHARACTERS = 2_000

export function cursorOf({ machineId, time, messageId, position }: ReadingKey, listing: Listing): string {
  const parts = [nameOf(listing), machineId, time, messageId, position]
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** Throws a Problem for what `cursorOf` has not given for this listing. */
export function keyOfCursor(value: Parameter, listing: Listing): ReadingKey {
  const [name, machineId, time, messageId, position, ...rest] = partsOf(value)
  const isKey =
    typeof machineId === 'string' &&
    !machineId.includes('\0') &&
    typeof time === 'string' &&
    parseTimestamp(time).ok &&
    typeof messageId === 'string' &&
    /^-?\d{1,19}$/.test(messageId) &&
    BigInt.asIntN(64, BigInt(messageId)) === BigInt(messageId) &&
    typeof position === 'number' &&
    (position | 0) === position
  if (!isKey || rest.length > 0) {
    throw new Problem(
      'invalid_parameter',
      'cursor must be one that a Link header of this API gave.',
      'cursor',
    )
  }
  if (name !== nameOf(listing)) {
    throw new Problem(
      'invalid_parameter',
      'cursor belongs to other machines or to another order; begin without one.',
      'cursor',
    )
  }
  return { machineId, time, messageId, position }
}

function partsOf(value: Parameter): unknown[] {
  if (typeof value !== 'string' || value.length > MOST_CHARACTERS) return []
  try {
    const parts: unknown = JSON.parse(Buffer.from(value, 'base64url').toString())
    return Array.isArray(parts) ? parts : []
  } catch {
    return []
  }
}

/** Of the machines and the order, short. */
function nameOf({ machineIds, order }: Listing): string {
  const ids = machineIds === null ? null : [...new Set(machineIds)].sort()
  return createHash('sha256')
    .update(JSON.stringify([order, ids]))
    .digest('base64url')
    .slice(0, 12)
}
