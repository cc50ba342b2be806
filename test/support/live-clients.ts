// Clients of the live feed for a test: a WebSocket, an event stream, and a bare wire that reads when it is told to.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { until } from './monitor.ts'

export interface Frame {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  readonly timestamp: string
}

/** Listens on `http` (a base URL) until it is closed. */
export class LiveSocket {
  readonly frames: Frame[] = []
  readonly socket: WebSocket
  /** Null while it is open. */
  closed: { readonly code: number; readonly reason: string } | null = null

  private constructor(url: string) {
    this.socket = new WebSocket(url)
    this.socket.addEventListener('message', ({ data }) => this.frames.push(JSON.parse(String(data)) as Frame))
    this.socket.addEventListener('close', ({ code, reason }) => (this.closed = { code, reason }))
  }

  /** Rejects when it is refused. */
  static async open(http: string, path = '/ws/machines'): Promise<LiveSocket> {
    const client = new LiveSocket(http.replace('http', 'ws') + path)
    await until(`${path} is open or closed`, () => client.socket.readyState !== WebSocket.CONNECTING)
    if (client.socket.readyState !== WebSocket.OPEN) throw new Error(`${path} was refused`)
    return client
  }

  /** The newest frame of each machine. */
  last(): Map<string, Frame['data']> {
    return new Map(this.frames.map(({ data }) => [String(data['machine_id']), data]))
  }

  async close(): Promise<void> {
    this.socket.close()
    await until('the WebSocket is closed', () => this.closed !== null)
  }
}

export interface ServerSentEvent {
  readonly id: string | null
  readonly event: string
  readonly data: Frame
}

/** Reads `GET /api/v1/events`, over a connection of its own. */
export class LiveEvents {
  readonly events: ServerSentEvent[] = []
  readonly response: IncomingMessage
  #text = ''
  /** null: still open; true: the server ended it well. */
  ended: boolean | null = null

  private constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (text: string) => {
      const blocks = (this.#text + text).split('\n\n')
      this.#text = blocks.pop() ?? ''
      for (const block of blocks) this.#take(block)
    })
    response.on('error', () => undefined)
    response.on('close', () => (this.ended = response.complete))
  }

  static async open(http: string, query = '', headers: Record<string, string> = {}): Promise<LiveEvents> {
    const request = get(`${http}/api/v1/events${query}`, { headers, agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return new LiveEvents(response)
  }

  async close(): Promise<void> {
    this.response.destroy()
    await until('the event stream is closed', () => this.ended !== null)
  }

  #take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]))
    const [id, event, data] = [fields.get('id'), fields.get('event'), fields.get('data')]
    if (event === undefined || data === undefined) return
    this.events.push({ id: id ?? null, event, data: JSON.parse(data) as Frame })
  }
}

/** A WebSocket by hand: nothing is read, answered or sent unless the test does. */
export class BareSocket {
  readonly wire: Socket
  /** Everything that was read. */
  read = Buffer.alloc(0)

  private constructor(wire: Socket) {
    this.wire = wire
    wire.on('error', () => undefined)
    wire.on('data', (bytes: Buffer) => (this.read = Buffer.concat([this.read, bytes])))
  }

  /** Resolves when the server has answered; then it reads no more. */
  static async open(http: string, path = '/ws/machines', headers = ''): Promise<BareSocket> {
    const { hostname, port, host } = new URL(http)
    const wire = connect(Number(port), hostname)
    await once(wire, 'connect')
    const client = new BareSocket(wire)
    const key = randomBytes(16).toString('base64')
    wire.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${headers}\r\n`,
    )
    await until('the server has answered', () => client.read.includes('\r\n\r\n') || wire.destroyed)
    wire.pause()
    return client
  }

  /** The server's answer to the request. */
  get status(): number {
    return Number(this.read.toString('latin1').split(' ')[1])
  }

  /** A frame as clients send it (RFC 6455: masked; here with zeros). */
  send(opcode: number, payload: string): void {
    const data = Buffer.from(payload)
    const header = data.length < 126 ? [0x80 | data.length] : [0xfe, data.length >> 8, data.length & 0xff]
    this.wire.write(Buffer.concat([Buffer.from([0x80 | opcode, ...header, 0, 0, 0, 0]), data]))
  }

  /** The whole frames read so far, by opcode. */
  frames(): { readonly opcode: number; readonly payload: Buffer }[] {
    const found: { opcode: number; payload: Buffer }[] = []
    let at = this.read.indexOf('\r\n\r\n') + 4
    while (at + 2 <= this.read.length) {
      const opcode = (this.read[at] ?? 0) & 0x0f
      let length = (this.read[at + 1] ?? 0) & 0x7f
      let header = 2
      if (length === 126) {
        if (at + 4 > this.read.length) break
        length = this.read.readUInt16BE(at + 2)
        header = 4
      } else if (length === 127) {
        if (at + 10 > this.read.length) break
        length = Number(this.read.readBigUInt64BE(at + 2))
        header = 10
      }
      const start = at + header
      if (start + length > this.read.length) break
      found.push({ opcode, payload: this.read.subarray(start, start + length) })
      at = start + length
    }
    return found
  }

  /** Its text frames. */
  texts(): Frame[] {
    return this.frames()
      .filter(({ opcode }) => opcode === 1)
      .map(({ payload }) => JSON.parse(payload.toString()) as Frame)
  }

  /** The code it was closed with; null: it was not. */
  closeCode(): number | null {
    const close = this.frames().find(({ opcode }) => opcode === 8)
    return close === undefined ? null : close.payload.readUInt16BE(0)
  }
}
