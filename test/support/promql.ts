// The names in a PromQL expression: which series it reads, and which of their labels it speaks of.
// (https://prometheus.io/docs/prometheus/latest/querying/basics/ and operators/)

export interface Selector {
  readonly metric: string
  /** Labels in its braces. */
  readonly labels: readonly string[]
}

const WORDS = new Set(['and', 'or', 'unless', 'offset', 'bool', 'atan2', 'inf', 'nan'])
const TOKEN = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|[a-zA-Z_:][\w:]*|\d[\w.]*|[{}()]|[^\s{}()]/g

/** Every series selector of an expression, in its order. Strings, durations and grouping lists hold none. */
export function selectorsOf(expression: string): Selector[] {
  const tokens = [...expression.matchAll(TOKEN)].map(([token]) => token)
  const selectors: Selector[] = []
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] ?? ''
    if (/^(by|without|on|ignoring|group_left|group_right)$/.test(token)) {
      if (tokens[i + 1] === '(') i = tokens.indexOf(')', i)
      continue
    }
    if (!/^[a-zA-Z_:]/.test(token) || WORDS.has(token.toLowerCase())) continue
    const next = tokens[i + 1]
    // A function, or an aggregation before its grouping list.
    if (next === '(' || next === 'by' || next === 'without') continue
    const end = next === '{' ? tokens.indexOf('}', i) : i
    const inBraces = tokens.slice(i + 2, end)
    const labels = inBraces.filter((_, k) => k === 0 || inBraces[k - 1] === ',').filter((one) => one !== ',')
    selectors.push({ metric: token, labels })
    i = end
  }
  return selectors
}
