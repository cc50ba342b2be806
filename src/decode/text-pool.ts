// Texts that come again and again (ids, states, programs): made once, and found again by their bytes. A text
// found so is not garbage a moment later, and a map finds it without reading it again.
//
// Bounded: one text a slot, the latest one stays.

const SLOTS = 1_024
const LONGEST = 32

export class TextPool {
  readonly #slots: (string | undefined)[] = Array.from({ length: SLOTS })

  /** The text of ASCII bytes. */
  get(bytes: Buffer, start: number, end: number): string {
    const length = end - start
    if (length > LONGEST) return bytes.toString('latin1', start, end)
    let hash = length
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0
    const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
    const known = this.#slots[slot]
    if (known !== undefined && isText(known, bytes, start, length)) return known
    const text = bytes.toString('latin1', start, end)
    this.#slots[slot] = text
    return text
  }
}

function isText(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false
  return true
}
