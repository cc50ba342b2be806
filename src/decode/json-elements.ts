// The source texts of an array's elements. Turning parsed values back into text would lose what was sent:
// 1e999, integers beyond 2^53, repeated names.

/** `text` is the valid JSON of an array. */
export function elementTexts(text: string): string[] {
  const elements: string[] = []
  let depth = 0
  let start = text.indexOf('[') + 1
  for (let i = start; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // " : to the closing quote
        for (i++; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++
        break
      case 0x5b: // [
      case 0x7b: // {
        depth++
        break
      case 0x5d: // ]
      case 0x7d: // }
        if (depth === 0) {
          elements.push(text.slice(start, i).trim())
          return elements
        }
        depth--
        break
      case 0x2c: // ,
        if (depth === 0) {
          elements.push(text.slice(start, i).trim())
          start = i + 1
        }
        break
    }
  }
  return elements
}
