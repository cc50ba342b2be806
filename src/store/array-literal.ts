// PostgreSQL array literals for the columns of a batch: one text parameter a column, whatever the number of
// rows. The driver's own array encoding quotes every number.

/** `{1,NULL,3}`; zero keeps its sign, which JavaScript leaves out of a text. */
export function numberArray(values: readonly (number | string | null)[]): string {
  let out = '{'
  for (let i = 0; i < values.length; i++) {
    if (i > 0) out += ','
    const value = values[i]
    out += value === null || value === undefined ? 'NULL' : Object.is(value, -0) ? '-0' : value
  }
  return `${out}}`
}

const NEEDS_ESCAPE = /["\\]/g

/** `{"a","b\"c",NULL}` */
export function textArray(values: readonly (string | null)[]): string {
  let out = '{'
  for (let i = 0; i < values.length; i++) {
    if (i > 0) out += ','
    const value = values[i]
    out += value === null || value === undefined ? 'NULL' : `"${value.replace(NEEDS_ESCAPE, '\\$&')}"`
  }
  return `${out}}`
}
