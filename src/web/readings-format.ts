// The forms in which readings leave: what stands before, between and after the lines that the store makes.
import type { ReadingsFormat, ReadingsQuery, ShownFields } from '../readings-query.ts'

export const formats = {
  json: { type: 'application/json; charset=utf-8', accepted: ['application/json'] },
  ndjson: {
    type: 'application/x-ndjson; charset=utf-8',
    accepted: ['application/x-ndjson', 'application/ndjson', 'application/jsonl'],
  },
  csv: { type: 'text/csv; charset=utf-8; header=present', accepted: ['text/csv'] },
} as const satisfies Record<ReadingsFormat, { type: string; accepted: readonly string[] }>

const OPENING_BRACKET = 0x5b

/** The whole answer, piece by piece. */
export async function* framed(
  texts: Iterable<Buffer> | AsyncIterable<Buffer>,
  { format, shown }: Pick<ReadingsQuery, 'format' | 'shown'>,
): AsyncGenerator<Buffer, void, undefined> {
  if (format === 'csv') yield Buffer.from(csvHeader(shown))
  let isFirst = true
  for await (const text of texts) {
    // Each line of JSON begins with a comma: the first one's place is the bracket's.
    if (isFirst && format === 'json') text[0] = OPENING_BRACKET
    isFirst = false
    yield text
  }
  if (format === 'json') yield Buffer.from(isFirst ? '[]' : '\n]\n')
}

function csvHeader({ fields, extra }: ShownFields): string {
  const names = ['machine_id', 'timestamp', ...fields.map(({ name }) => name), ...(extra ? ['extra'] : [])]
  return `${names.join(',')}\r\n`
}

/** The known format that an Accept header (RFC 9110) likes best; JSON where it knows none. */
export function acceptedFormat(header: string | undefined): ReadingsFormat {
  let best: { format: ReadingsFormat; quality: number } = { format: 'json', quality: 0 }
  for (const range of (header ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const format = (Object.keys(formats) as ReadingsFormat[]).find((name) =>
      (formats[name].accepted as readonly string[]).includes(type),
    )
    const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    if (format !== undefined && quality > best.quality) best = { format, quality }
  }
  return best.format
}
