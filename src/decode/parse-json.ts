// JSON.parse, with every name as it was sent.
//
// V8's parser guesses the next name of an object from objects it has seen, and takes a name written with an escape for
// the guessed one when its text begins alike: in Node 26.10 {"a":1,"\u0041":2} has a member named "\" once
// {"a":1,"\\":2} was parsed. Where a name holds an escape, every object is therefore given a first name of its own,
// after which there is nothing to guess from, and which is taken out again.

type Reviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown

/** What the language has and the compiler's library does not know yet (ECMAScript: JSON.parse source text access). */
const parse = JSON.parse as unknown as (text: string, reviver?: Reviver) => unknown

/** Nobody sends a name that begins so. */
const MARK = crypto.randomUUID()
/** No two objects may have one name, whenever they are parsed: that would be something to guess from. */
let marks = 0

/** Throws SyntaxError as JSON.parse does. */
export function parseJson(text: string, reviver?: Reviver): unknown {
  const value = parse(text, reviver)
  const marked = text.includes('\\') ? withMarks(text) : null
  if (marked === null) return value
  return parse(marked, (name, inner, context) =>
    name.startsWith(MARK) ? undefined : reviver === undefined ? inner : reviver(name, inner, context),
  )
}

/** Valid JSON with a further member in every object; null when no name of it holds an escape. */
function withMarks(text: string): string | null {
  let marked = ''
  let from = 0
  let isNeeded = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') {
      let isEscaped = false
      for (at++; text[at] !== '"'; at++) {
        if (text[at] !== '\\') continue
        isEscaped = true
        at++
      }
      if (isEscaped && text[afterSpace(text, at + 1)] === ':') isNeeded = true
    } else if (character === '{') {
      const isEmpty = text[afterSpace(text, at + 1)] === '}'
      marked += `${text.slice(from, at + 1)}"${MARK}${marks++}":0${isEmpty ? '' : ','}`
      from = at + 1
    }
  }
  return isNeeded ? marked + text.slice(from) : null
}

function afterSpace(text: string, at: number): number {
  let end = at
  while (text[end] === ' ' || text[end] === '\n' || text[end] === '\r' || text[end] === '\t') end++
  return end
}
