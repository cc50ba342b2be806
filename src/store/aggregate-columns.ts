// The columns of readings_by_minute and readings_by_hour: of each number min, max, sum and count, of the state its
// first and last word. The migration holds the same names, which a test compares.
import { readingFields } from '../reading.ts'

/** Fields that are numbers: what can be aggregated. */
export const numberFields = readingFields.filter(({ kind }) => kind === 'number' || kind === 'integer')

/** In the order of the views. */
export const aggregateColumns: readonly string[] = [
  'machine_id',
  'bucket',
  'readings',
  ...numberFields.flatMap(({ name }) => [`${name}_min`, `${name}_max`, `${name}_count`, `${name}_sum`]),
  'machine_state_first',
  'machine_state_last',
]
