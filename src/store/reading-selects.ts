// The statements that read part of a machine's readings. Their texts are complete, because COPY takes no parameters.
//
// Invariant: they order as the one index does, and say the time's limits on their own, so that the server leaves out the
// chunks that lie beyond.
import type { ReadingKey, ReadingsQuery } from '../readings-query.ts'
import type { Piece } from './history.ts'
import { literal, readingLine, timestampText } from './reading-text.ts'

/** Part of a machine's readings: within a piece of the history, after a key, up to a key; null: to the piece's end. */
export interface Range {
  readonly machineId: string
  readonly piece: Piece
  readonly after: ReadingKey | null
  readonly upTo: ReadingKey | null
}

/** At most so many, with their keys. */
export function selectPage(query: ReadingsQuery, range: Range, readings: number): string {
  return `${selectWindow(query, range, 'time, message_id, position')} LIMIT ${readings}`
}

/** All of a range. */
export function selectWindow(query: ReadingsQuery, range: Range, ...also: readonly string[]): string {
  const line = readingLine(query.format, range.machineId, query.shown)
  return `
    SELECT ${[line, ...also].join(', ')} FROM sensor_data
    WHERE ${conditionsOf(query, range)} ORDER BY ${orderOf(query)}`
}

/** The key of the n-th. */
export function selectKey(query: ReadingsQuery, range: Range, n: number): string {
  return `
    SELECT ${timestampText('time')}, message_id, position FROM sensor_data
    WHERE ${conditionsOf(query, range)} ORDER BY ${orderOf(query)} OFFSET ${n - 1} LIMIT 1`
}

function orderOf({ order }: ReadingsQuery): string {
  return ['time', 'message_id', 'position'].map((column) => `sensor_data.${column} ${order}`).join(', ')
}

function conditionsOf(
  { order, startTime, endTime }: ReadingsQuery,
  { machineId, piece: { from, to }, after, upTo }: Range,
): string {
  const [beyond, before] = order === 'asc' ? ['>', '<'] : ['<', '>']
  return [
    `machine_id = ${literal(machineId)}`,
    ...within('>=', from),
    ...within('<', to),
    ...within('>=', startTime),
    ...within('<=', endTime),
    ...(after === null ? [] : keyed(beyond, after)),
    ...(upTo === null ? [] : keyed(`${before}=`, upTo)),
  ].join(' AND ')
}

/** The time once more: by it alone chunks are left out. */
function keyed(comparison: string, { time, messageId, position }: ReadingKey): string[] {
  const key = `${literal(time)}::timestamptz, ${literal(messageId)}::int8, ${position}::int4`
  return [
    ...within(comparison.endsWith('=') ? comparison : `${comparison}=`, time),
    `(time, message_id, position) ${comparison} (${key})`,
  ]
}

function within(comparison: string, time: string | null): string[] {
  return time === null ? [] : [`time ${comparison} ${literal(time)}::timestamptz`]
}
