/*
 * One client's connection: reads its messages into units and writes the answers, at the client's own pace.
 *
 *   startup -> password -> ready -> leaving -> gone        (any state may go to gone)
 *
 * Invariant: what a client costs is bounded. It is not read from while it has enough work waiting or has not
 * read its results, and it is cut off when it reads nothing of them for a minute. Whatever it sends wrongly
 * ends it alone.
 */
import type { Socket } from 'node:net'
import * as frames from './frames.ts'
import { isPassword, startupStep, welcome } from './startup.ts'
import { type Rank, RANKS, rankOf } from './turns.ts'
import { type Unit, Units } from './units.ts'

/** Units and bytes that may wait before the socket is left unread. */
const MAX_WAITING_BYTES = 1024 * 1024
const MAX_WAITING_UNITS = 256
/** Results are handed to the socket in slices of this size, so that progress can be seen. */
const SLICE_BYTES = 256 * 1024
const STARTUP_LIMIT_MS = 10_000
/** How long a client may take to read the last words and to close its side. */
const FAREWELL_LIMIT_MS = 5_000

/** What the front end gives its clients. */
export interface ClientOptions {
  readonly password: string
  readonly serverVersion: string
  /** How long a client may leave its results unread. */
  readonly unreadLimitMs: number
  /** There are already as many clients as are allowed. */
  readonly surplus: boolean
  /** A unit has come, or the client may be served again. Called often, also when nothing has changed. */
  readonly onWork: (client: Client) => void
  /** The connection is over; called once. */
  readonly onGone: (client: Client) => void
}

export class Client {
  rank: Rank = RANKS.others
  /** The unnamed statement it would have if it were alone: the Parse message. */
  unnamed: Buffer | null = null
  readonly units: Units
  readonly #socket: Socket
  readonly #options: ClientOptions
  readonly #reader = new frames.FrameReader()
  readonly #waiting: Unit[] = []
  #waitingBytes = 0
  #state: 'startup' | 'password' | 'ready' | 'leaving' | 'gone' = 'startup'
  #applicationName = ''
  #unreadTimer: NodeJS.Timeout | undefined

  constructor(socket: Socket, prefix: string, options: ClientOptions) {
    this.#socket = socket
    this.#options = options
    this.units = new Units(prefix)
    socket.setNoDelay(true)
    socket.setTimeout(STARTUP_LIMIT_MS, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.#received(chunk))
    socket.on('drain', () => this.#drained())
    socket.on('end', () => this.#leave())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#over())
  }

  /** Whether it has a unit waiting and has read what it was given. */
  get servable(): boolean {
    return this.#waiting.length > 0 && this.#state !== 'gone' && !this.#socket.writableNeedDrain
  }

  get gone(): boolean {
    return this.#state === 'gone'
  }

  /** Takes the next unit out of the queue. */
  takeUnit(): Unit | undefined {
    const unit = this.#waiting.shift()
    this.#waitingBytes -= unit?.bytes.length ?? 0
    if (this.#waiting.length === 0 && this.#state === 'leaving') setImmediate(() => this.#close())
    this.#read()
    return unit
  }

  /** Hands over results. Nothing more is run for the client until it has read them. */
  send(bytes: Buffer): void {
    if (this.#state === 'gone' || !this.#socket.writable) return
    for (let at = 0; at < bytes.length; at += SLICE_BYTES)
      this.#socket.write(bytes.subarray(at, at + SLICE_BYTES))
    if (!this.#socket.writableNeedDrain) return
    this.#socket.pause()
    this.#watchUnread(this.#socket.writableLength)
  }

  /** Tells the client why, and ends it. */
  fail(code: string, message: string): void {
    if (this.#state === 'gone') return
    this.send(frames.errorResponse({ severity: 'FATAL', code, message }))
    this.#close()
  }

  #received(chunk: Buffer): void {
    if (this.#state === 'gone') return
    this.#reader.push(chunk)
    try {
      this.#readFrames()
    } catch (error) {
      if (!(error instanceof frames.FrameError)) throw error
      this.fail('08P01', error.message)
    }
    this.#read()
    if (this.#waiting.length > 0) this.#options.onWork(this)
  }

  #readFrames(): void {
    while (this.#state !== 'gone' && this.#state !== 'leaving') {
      const frame = this.#reader.next(this.#state !== 'startup')
      if (frame === undefined) return
      if (this.#state === 'startup') this.#startUp(frame)
      else if (this.#state === 'password') this.#authenticate(frame)
      else if (frame.type === 'X') this.#leave()
      else this.#queue(this.units.add(frame))
    }
  }

  #startUp(frame: frames.Frame): void {
    const step = startupStep(frame.bytes)
    if (step.next === 'password' && this.#options.surplus)
      return this.fail('53300', 'The embedded database has too many clients already.')
    this.send(step.answer)
    if (step.next === 'close') this.#close()
    else if (step.next === 'password') {
      this.#applicationName = step.applicationName
      this.#state = 'password'
    }
  }

  #authenticate(frame: frames.Frame): void {
    if (!isPassword(frame, this.#options.password))
      return this.fail('28P01', 'The password of the embedded database is another one.')
    this.#state = 'ready'
    this.#socket.setTimeout(0)
    this.rank = rankOf(this.#applicationName)
    this.send(welcome(this.#options.serverVersion, this.#applicationName))
  }

  #queue(unit: Unit | undefined): void {
    if (unit === undefined) return
    this.#waiting.push(unit)
    this.#waitingBytes += unit.bytes.length
  }

  /** Reads on, or stops reading: there is enough work, or results are unread. */
  #read(): void {
    const full = this.#waitingBytes > MAX_WAITING_BYTES || this.#waiting.length > MAX_WAITING_UNITS
    const paused = this.#waiting.length > 0 && (full || this.#socket.writableNeedDrain)
    if (paused) this.#socket.pause()
    else if (!this.#socket.writableNeedDrain) this.#socket.resume()
  }

  #drained(): void {
    clearTimeout(this.#unreadTimer)
    this.#unreadTimer = undefined
    this.#read()
    this.#options.onWork(this)
  }

  /** Cuts the client off when the unread bytes have not become fewer in the time allowed. */
  #watchUnread(before: number): void {
    clearTimeout(this.#unreadTimer)
    this.#unreadTimer = setTimeout(() => {
      if (this.#socket.writableLength >= before) this.#socket.destroy()
      else this.#watchUnread(this.#socket.writableLength)
    }, this.#options.unreadLimitMs)
  }

  /** It sends no more; what it had sent is still done. */
  #leave(): void {
    if (this.#state === 'gone') return
    if (this.#waiting.length === 0) return this.#close()
    this.#state = 'leaving'
  }

  #close(): void {
    if (this.#state === 'gone') return
    this.#over()
    this.#socket.end()
    this.#socket.resume()
    setTimeout(() => this.#socket.destroy(), FAREWELL_LIMIT_MS).unref()
  }

  #over(): void {
    if (this.#state === 'gone') return
    this.#state = 'gone'
    this.#waiting.length = 0
    clearTimeout(this.#unreadTimer)
    this.#options.onGone(this)
  }
}
