// Which dead letters a request means: the same names in an address and in a body, read by the same rules.
import { deadLetterStates, type DeadLetterFilter } from '../dead-letter.ts'
import { rejectionCodes } from '../reading.ts'
import { idOf, oneOf, textOf, timeOf, wholeNumberOf, type Parameter } from './parameters.ts'
import { Problem } from './problems.ts'

export interface DeadLetterQuery {
  readonly filter: DeadLetterFilter
  readonly limit: number
  /** Only what is older than this one; null: from the newest on. */
  readonly cursor: string | null
}

const MOST = 1_000

const filterReaders: {
  readonly [K in keyof DeadLetterFilter]-?: (name: K, value: Parameter) => Required<DeadLetterFilter>[K]
} = {
  ids: idsOf,
  code: (name, value) => oneOf(name, value, rejectionCodes),
  machine: textOf,
  subject: textOf,
  stream: textOf,
  sequence: (name, value) => wholeNumberOf(name, value, 1, Number.MAX_SAFE_INTEGER),
  since: timeOf,
  until: timeOf,
  state: (name, value) => oneOf(name, value, deadLetterStates),
}

/** `usual`: the limit when none is named. Throws a Problem that names the parameter. */
export function deadLetterQuery(
  { limit, cursor, ...others }: Readonly<Record<string, Parameter | undefined>>,
  usual: number,
): DeadLetterQuery {
  const filter: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(others)) {
    if (value === undefined) continue
    if (!isFilter(name)) {
      const names = ['limit', 'cursor', ...Object.keys(filterReaders)].join(', ')
      throw new Problem(
        'invalid_parameter',
        `${name.slice(0, 100)} is no parameter here; ${names} are.`,
        name,
      )
    }
    const read = filterReaders[name] as (name: string, value: Parameter) => unknown
    filter[name] = read(name, value)
  }
  return {
    filter,
    limit: limit === undefined ? usual : wholeNumberOf('limit', limit, 1, MOST),
    cursor: cursor === undefined ? null : idOf('cursor', cursor),
  }
}

function isFilter(name: string): name is keyof DeadLetterFilter {
  return Object.hasOwn(filterReaders, name)
}

/** Separated by commas. */
function idsOf(name: string, value: Parameter): string[] {
  const ids = typeof value === 'string' ? value.split(',') : []
  if (ids.length === 0 || ids.length > MOST) {
    throw new Problem('invalid_parameter', `${name} must be 1 to ${MOST} ids, separated by commas.`, name)
  }
  return ids.map((id) => idOf(name, id))
}
