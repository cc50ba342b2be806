// CSV by RFC 4180, strictly: what deviates from it throws.

/** Null for a cell with nothing in it, not even quotes. */
export type Cell = string | null

const CELL = /"((?:[^"]|"")*)"|([^",\r\n]*)/y

export function csvRecords(text: string): Cell[][] {
  const records: Cell[][] = []
  let record: Cell[] = []
  for (let at = 0; at < text.length;) {
    CELL.lastIndex = at
    const [, quoted, plain] = CELL.exec(text) ?? []
    record.push(quoted === undefined ? plain || null : quoted.replaceAll('""', '"'))
    at = CELL.lastIndex
    if (text[at] === ',') at += 1
    else if (text.startsWith('\r\n', at)) {
      at += 2
      records.push(record)
      record = []
    } else throw new Error(`Neither a comma nor CRLF at ${at}: ${JSON.stringify(text.slice(at, at + 40))}`)
  }
  if (record.length > 0) throw new Error('The last record does not end.')
  return records
}
