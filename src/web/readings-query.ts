// What a request for readings means: its parameters, read one by one.
import { readingFields } from '../reading.ts'
import type { ReadingsOrder, ReadingsQuery, ShownFields } from '../readings-query.ts'
import { keyOfCursor } from './cursor.ts'
import { noParameters, oneOf, textOf, timeOf, wholeNumberOf, type Parameter } from './parameters.ts'
import { Problem } from './problems.ts'
import { acceptedFormat, formats } from './readings-format.ts'

const MOST_READINGS = 10_000
const MOST_MACHINES = 1_000
const names = ['start_time', 'end_time', 'limit', 'order', 'cursor', 'fields', 'format'] as const
const ALL: ShownFields = { fields: readingFields, extra: true }

export interface ReadingsRequest {
  readonly query: ReadingsQuery
  /** Null: all of them. */
  readonly limit: number | null
}

/** Throws a Problem that names the parameter. */
export function readReadingsQuery(
  parameters: Readonly<Record<string, Parameter | undefined>>,
  machineIds: readonly string[] | null,
  accept: string | undefined,
): ReadingsRequest {
  noParameters(parameters, names)
  const { start_time, end_time, limit, order: wantedOrder, cursor, fields, format } = parameters
  const order: ReadingsOrder =
    wantedOrder === undefined ? 'asc' : oneOf('order', wantedOrder, ['asc', 'desc'])
  return {
    query: {
      machineIds,
      startTime: start_time === undefined ? null : timeOf('start_time', start_time),
      endTime: end_time === undefined ? null : timeOf('end_time', end_time),
      order,
      shown: fields === undefined ? ALL : fieldsOf('fields', fields),
      format:
        format === undefined
          ? acceptedFormat(accept)
          : oneOf('format', format, Object.keys(formats) as (keyof typeof formats)[]),
      after: cursor === undefined ? null : keyOfCursor(cursor, { machineIds, order }),
    },
    limit: limit === undefined ? null : wholeNumberOf('limit', limit, 1, MOST_READINGS),
  }
}

/** Given once or several times. */
export function machineIdsOf(value: Parameter): readonly string[] {
  const ids = [value].flat()
  if (ids.length > MOST_MACHINES) {
    throw new Problem(
      'invalid_parameter',
      `machine_id may be given ${MOST_MACHINES} times at most; leave it out for all machines.`,
      'machine_id',
    )
  }
  return ids.map((id) => textOf('machine_id', id))
}

/** Names, separated by commas; a machine and its time are given back in any case. */
function fieldsOf(name: string, value: Parameter): ShownFields {
  const wanted = new Set(textOf(name, value).split(','))
  const known = ['machine_id', 'timestamp', ...readingFields.map((field) => field.name), 'extra']
  for (const one of wanted) {
    if (known.includes(one)) continue
    throw new Problem(
      'invalid_parameter',
      `${name} names ${JSON.stringify(one)}, which is none of ${known.join(', ')}.`,
      name,
    )
  }
  return { fields: readingFields.filter((field) => wanted.has(field.name)), extra: wanted.has('extra') }
}
