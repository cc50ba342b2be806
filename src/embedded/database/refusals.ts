/*
 * What this database refuses to run, found by reading the SQL before the engine sees it. Pure.
 *
 * Invariant: a statement that would end the engine (COPY from or to anything but the client's output), take
 * other clients' statements away or silently do nothing is never run; nothing else is refused. The reading
 * follows PostgreSQL's lexical rules: comments nest, quotes of every kind hide what is in them.
 */

/** Only SQL with one of these words in it is read at all. */
const WORTH_READING = /\b(?:copy|discard|deallocate|reset|listen)\b/i

/**
 * One lexical element: line comment, start of a comment, start of a text with escapes, text, dollar quote,
 * quoted name, word, or a single character. No repetition of alternatives: texts are megabytes long.
 */
const ELEMENT =
  /--[^\n\r]*|\/\*|[eE]'|'[^']*'?|\$((?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?)\$|"[^"]*"?|[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*|[^]/g

/** The words of each statement outside parentheses, in lower case; anything quoted is `''`. */
export function* statementsIn(sql: string): Generator<string[]> {
  const elements = new RegExp(ELEMENT)
  let words: string[] = []
  let depth = 0
  for (let found = elements.exec(sql); found !== null; found = elements.exec(sql)) {
    const element = found[0]
    const word = wordOf(element)
    if (element === '/*') elements.lastIndex = endOfComment(sql, found.index)
    else if (element === "e'" || element === "E'") elements.lastIndex = endOfEscapes(sql, elements.lastIndex)
    else if (found[1] !== undefined) elements.lastIndex = endOfDollarQuote(sql, element, elements.lastIndex)
    if (element === '(') depth += 1
    else if (element === ')') depth = Math.max(0, depth - 1)
    else if (element === ';' && depth === 0) {
      yield words
      words = []
    } else if (depth === 0 && word !== undefined) words.push(word)
  }
  yield words
}

function wordOf(element: string): string | undefined {
  if (/^["'$]|'$/.test(element) && element !== '$') return "''"
  return /^[A-Za-z_\x80-\uffff]/.test(element) ? element.toLowerCase() : undefined
}

function endOfEscapes(sql: string, from: number): number {
  const marks = /\\[^]|''|'/g
  marks.lastIndex = from
  for (let found = marks.exec(sql); found !== null; found = marks.exec(sql))
    if (found[0] === "'") return marks.lastIndex
  return sql.length
}

function endOfDollarQuote(sql: string, quote: string, from: number): number {
  const end = sql.indexOf(quote, from)
  return end === -1 ? sql.length : end + quote.length
}

function endOfComment(sql: string, from: number): number {
  const marks = /\/\*|\*\//g
  marks.lastIndex = from
  let depth = 0
  for (let found = marks.exec(sql); found !== null; found = marks.exec(sql)) {
    depth += found[0] === '/*' ? 1 : -1
    if (depth === 0) return marks.lastIndex
  }
  return sql.length
}

/** Why this SQL is refused, as a sentence; undefined when it is not. */
export function refusalOf(sql: string): string | undefined {
  if (!WORTH_READING.test(sql)) return undefined
  for (const words of statementsIn(sql)) {
    const refusal = refusalOfStatement(words)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function refusalOfStatement(words: readonly string[]): string | undefined {
  const [verb, second] = words
  if (verb === 'copy') {
    const direction = words.find((word, index) => index > 0 && (word === 'from' || word === 'to'))
    const target = words[words.indexOf(direction ?? '') + 1]
    if (direction === 'from') return 'The embedded database takes no COPY FROM; use INSERT.'
    if (direction === 'to' && target !== 'stdout') return 'The embedded database copies to STDOUT only.'
  }
  if (
    verb === 'discard' ||
    (verb === 'reset' && second === 'all') ||
    (verb === 'deallocate' && words.includes('all'))
  )
    return `The embedded database is one session for all its clients and takes no ${words.join(' ').toUpperCase()}.`
  if (verb === 'listen') return 'The embedded database carries no notifications between clients.'
  return undefined
}

/**
 * SQL that does nothing but fail with SQLSTATE 0A000 and the given sentence. It is run in the place of what is
 * refused, so that the engine itself keeps the transaction's state and the order of answers.
 */
export function failingSql(sentence: string): string {
  const quoted = sentence.replaceAll("'", "''")
  return `DO $do$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = '${quoted.replaceAll('$', '')}'; END $do$`
}
