// Which dead letters are meant, as SQL: one condition for the list, for the count and for a replay in bulk.
import type { DeadLetterFilter } from '../dead-letter.ts'

/** Of the dead letter `d`. Read off its replays, so that the two never disagree. */
export const stateExpression = `CASE
  WHEN d.stored_at IS NOT NULL THEN 'stored'
  WHEN EXISTS (SELECT FROM dead_letter_replays p WHERE p.dead_letter_id = d.id AND p.outcome = 'pending') THEN 'pending'
  ELSE 'open' END`

const conditions: Readonly<Record<keyof DeadLetterFilter, (parameter: string) => string>> = {
  ids: (p) => `d.id = ANY(${p}::int8[])`,
  code: (p) => `d.code = ${p}`,
  machine: (p) => `d.machine_id = ${p}`,
  subject: (p) => `d.subject = ${p}`,
  stream: (p) => `d.stream = ${p}`,
  sequence: (p) => `d.sequence = ${p}::int8`,
  since: (p) => `d.received_at >= ${p}::timestamptz`,
  until: (p) => `d.received_at <= ${p}::timestamptz`,
  state: (p) => `${stateExpression} = ${p}`,
}

/** `cursor`: only what is older than this dead letter; null: from the newest on. */
export function deadLetterCondition(
  filter: DeadLetterFilter,
  cursor: string | null,
): { readonly sql: string; readonly values: unknown[] } {
  const values: unknown[] = []
  const parts: string[] = []
  for (const name of Object.keys(conditions) as (keyof DeadLetterFilter)[]) {
    const value = filter[name]
    if (value === undefined) continue
    values.push(value)
    parts.push(conditions[name](`$${values.length}`))
  }
  if (cursor !== null) {
    values.push(cursor)
    parts.push(`d.id < $${values.length}::int8`)
  }
  return { sql: parts.length === 0 ? 'true' : parts.join(' AND '), values }
}
