// Readings as text, made by the database: one SQL expression a format, so that this process only passes bytes on.
//
// Invariant: what a line says is what readingJson says of the same reading. Where a value is absent so is its name:
// concat leaves NULL out.
import pg from 'pg'
import type { FieldKind } from '../reading.ts'
import type { ReadingsFormat, ShownFields } from '../readings-query.ts'

/** RFC 3339 in UTC to the microsecond, needless zeros cut. A third of to_char's time. */
export const timestampText = (column: string) =>
  `replace((${column} AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'`

/** A reading of this machine, with what separates it from others. */
export function readingLine(format: ReadingsFormat, machineId: string, shown: ShownFields): string {
  if (format === 'csv') return csvRow(machineId, shown)
  const object = jsonObject(literal(JSON.stringify(machineId)), shown)
  return format === 'json' ? `concat(E',\\n', ${object})` : `concat(${object}, E'\\n')`
}

/** Arguments of concat. `machineId`: SQL for a JSON string; `also`: SQL for the text of more members, or NULL. */
export function jsonObject(machineId: string, { fields, extra }: ShownFields, also?: string): string {
  return [
    `'{"machine_id":', ${machineId}, ',"timestamp":"', ${timestampText('time')}, '"'`,
    ...fields.map(({ name, kind }) =>
      [`CASE WHEN ${name} IS NOT NULL THEN ',"${name}":' END`, jsonValue(name, kind)].join(', '),
    ),
    ...(also === undefined ? [] : [also]),
    extra ? `coalesce(',' || substr(nullif(extra, '{}')::text, 2), '}')` : `'}'`,
  ].join(', ')
}

function jsonValue(name: string, kind: FieldKind): string {
  return kind === 'text' ? `to_json(${name})` : name
}

/** RFC 4180. A text is always quoted: an empty one is "", an absent one is nothing. */
function csvRow(machineId: string, { fields, extra }: ShownFields): string {
  const cells = fields.map(({ name, kind }) =>
    kind === 'text' ? quoted(name) : kind === 'alarms' ? quoted(`${name}::text`) : name,
  )
  if (extra) cells.push(quoted(`nullif(extra, '{}')::text`))
  const id = literal(`"${machineId.replaceAll('"', '""')}",`)
  return `concat(${[id, timestampText('time'), ...cells.flatMap((cell) => [`','`, cell])].join(', ')}, E'\\r\\n')`
}

function quoted(text: string): string {
  return `'"' || replace(${text}, '"', '""') || '"'`
}

/** A text as SQL: COPY takes no parameters. */
export function literal(text: string): string {
  return pg.escapeLiteral(text)
}
