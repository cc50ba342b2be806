/*
 * Makes units of work out of one client's messages: everything up to a Query, a Sync or a Flush.
 *
 * Invariant: the engine sees whole units only, and in them no two clients' statement names are equal. Portals
 * keep their names: they end with the transaction, and a client keeps the engine until then. The unnamed
 * statement outlives a transaction, so each unit says how it uses it and the front end puts it back.
 */
import { FrameError, type Frame, message, readText, simpleQuery } from './frames.ts'
import { failingSql, refusalOf } from './refusals.ts'

/** Most bytes a client may have waiting without ending a unit. */
const MAX_UNIT_BYTES = 128 * 1024 * 1024

/** What is given to the engine in one piece. */
export interface Unit {
  readonly bytes: Buffer
  /** It ends with Query or Sync, so a ReadyForQuery follows; after a Flush the client still holds the engine. */
  readonly whole: boolean
  /** It uses an unnamed statement that was parsed in an earlier unit. */
  readonly needsUnnamed: boolean
  /** The Parse message that it leaves as the unnamed statement, null for none, undefined for no change. */
  readonly leavesUnnamed: Buffer | null | undefined
}

/** Most bytes of a statement name that the engine tells apart. */
const MAX_NAME_BYTES = 63

export class Units {
  readonly #prefix: string
  readonly #names = new Map<string, string>()
  #longNames = 0
  #parts: Buffer[] = []
  #size = 0
  #needsUnnamed = false
  #leavesUnnamed: Buffer | null | undefined

  /** `prefix` is this client's alone. */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The engine's names of all statements this client may have left open. */
  get statements(): string[] {
    return [...this.#names.values()]
  }

  /** Takes a message; gives a unit when it ends one. Throws a FrameError for what no client may send. */
  add(frame: Frame): Unit | undefined {
    const { type, bytes } = frame
    if (type === 'Q') {
      const { text } = readText(bytes, 5)
      const refusal = refusalOf(text)
      this.#leavesUnnamed = null
      this.#push(refusal === undefined ? bytes : simpleQuery(failingSql(refusal)))
      return this.#end(true)
    }
    if (type === 'S') {
      this.#push(bytes)
      return this.#end(true)
    }
    if (type === 'H') {
      this.#push(bytes)
      return this.#end(false)
    }
    if (type === 'P') this.#push(this.#parse(bytes))
    else if (type === 'B') this.#push(this.#bind(bytes))
    else if (type === 'D' || type === 'C') this.#push(this.#describeOrClose(type, bytes))
    else if (type === 'E') this.#push(bytes)
    else if (type === 'd' || type === 'c' || type === 'f')
      return undefined // late COPY data: ignored, as in PostgreSQL
    else throw new FrameError(`A message of type ${JSON.stringify(type)} is not known here.`)
    return undefined
  }

  #parse(bytes: Buffer): Buffer {
    const name = readText(bytes, 5)
    const sql = readText(bytes, name.next)
    const refusal = refusalOf(sql.text)
    const rest =
      refusal === undefined
        ? bytes.subarray(name.next)
        : message('P', failingSql(refusal), bytes.subarray(sql.next)).subarray(5)
    const parsed = message('P', this.#rename(name.text), rest)
    if (name.text === '') this.#leavesUnnamed = parsed
    return parsed
  }

  #bind(bytes: Buffer): Buffer {
    const portal = readText(bytes, 5)
    const name = readText(bytes, portal.next)
    this.#uses(name.text)
    return message('B', portal.text, this.#rename(name.text), bytes.subarray(name.next))
  }

  #describeOrClose(type: 'D' | 'C', bytes: Buffer): Buffer {
    if (bytes[5] !== 0x53) return bytes // a portal
    const { text } = readText(bytes, 6)
    if (type === 'D') this.#uses(text)
    const renamed = message(type, Buffer.from('S'), this.#rename(text))
    if (type === 'C' && text === '') this.#leavesUnnamed = null
    if (type === 'C') this.#names.delete(text)
    return renamed
  }

  #uses(name: string): void {
    if (name === '' && this.#leavesUnnamed === undefined) this.#needsUnnamed = true
  }

  #rename(name: string): string {
    if (name === '') return ''
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const plain = `${this.#prefix}:${name}`
    const fits = Buffer.byteLength(plain) <= MAX_NAME_BYTES
    const renamed = fits ? plain : `${this.#prefix}#${(this.#longNames += 1)}`
    this.#names.set(name, renamed)
    return renamed
  }

  #push(bytes: Buffer): void {
    this.#parts.push(bytes)
    this.#size += bytes.length
    if (this.#size > MAX_UNIT_BYTES) throw new FrameError('Too much was sent without a Sync.')
  }

  #end(whole: boolean): Unit {
    const unit: Unit = {
      bytes:
        this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts, this.#size),
      whole,
      needsUnnamed: this.#needsUnnamed,
      leavesUnnamed: this.#leavesUnnamed,
    }
    this.#parts = []
    this.#size = 0
    this.#needsUnnamed = false
    this.#leavesUnnamed = undefined
    return unit
  }
}
