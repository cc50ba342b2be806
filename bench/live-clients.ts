// The live clients, in a process of their own: WebSockets that take every frame; some of them note how old it is.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { quantile } from './figures.ts'

export interface Listen {
  readonly http: string
  readonly clients: number
  /** Clients that look into every frame; the others only take them. */
  readonly looking: number
  /** Milliseconds between two readings of a machine. */
  readonly everyMs: number
}

export type Heard =
  | { readonly said: 'open' }
  | {
      readonly said: 'done'
      readonly frames: number
      readonly bytes: number
      /** Milliseconds from publishing to the frame that shows the reading. */
      readonly shown: Quantiles
      /** The same of every reading, also those that a newer one overtook: until the frame with the newer one. */
      readonly overtaken: Quantiles
    }

export interface Quantiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

const { http, clients, looking, everyMs } = JSON.parse(process.argv[2] ?? '') as Listen
const say = (heard: Heard) => process.send?.(heard)
const shown: number[] = []
const overtaken: number[] = []
let frames = 0
let bytes = 0
let isMeasuring = false

await Promise.all(Array.from({ length: clients }, (_, i) => listen(i < looking)))
say({ said: 'open' })
process.on('message', (word) => {
  isMeasuring = word === 'begin'
  if (word === 'end') {
    say({ said: 'done', frames, bytes, shown: quantiles(shown), overtaken: quantiles(overtaken) })
  }
})

async function listen(isLooking: boolean): Promise<void> {
  const { hostname, port, host } = new URL(http)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(
    `GET /ws/machines HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  const end = head.indexOf('\r\n\r\n') + 4
  if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(head.toString())
  take(socket, head.subarray(end), isLooking)
}

/** Walks over the frames, which are unmasked texts. */
function take(socket: Socket, first: Buffer, isLooking: boolean): void {
  const lastMs = new Map<string, number>()
  let rest = first
  socket.on('data', (data: Buffer) => {
    const nowMs = performance.timeOrigin + performance.now()
    const all = rest.length === 0 ? data : Buffer.concat([rest, data])
    let at = 0
    while (at + 4 <= all.length) {
      const short = (all[at + 1] ?? 0) & 0x7f
      const start = at + (short === 126 ? 4 : 2)
      const next = start + (short === 126 ? all.readUInt16BE(at + 2) : short)
      if (next > all.length) break
      if (((all[at] ?? 0) & 0x0f) === 9) socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
      else if (isMeasuring) {
        frames += 1
        if (isLooking) look(all.toString('latin1', start, start + 120), nowMs, lastMs)
      }
      at = next
    }
    if (isMeasuring) bytes += data.length
    rest = all.subarray(at)
  })
}

function look(text: string, nowMs: number, lastMs: Map<string, number>): void {
  const [, machine, timestamp] = /"machine_id":"([^"]*)","timestamp":"([^"]*)Z"/.exec(text) ?? []
  if (machine === undefined || timestamp === undefined) return
  const fraction = timestamp.slice(20)
  const atMs =
    Date.parse(`${timestamp.slice(0, 19)}Z`) + (fraction === '' ? 0 : Number(`0.${fraction}`) * 1_000)
  shown.push(nowMs - atMs)
  const readings = Math.round((atMs - (lastMs.get(machine) ?? atMs - everyMs)) / everyMs)
  for (let i = 0; i < readings; i++) overtaken.push(nowMs - atMs + i * everyMs)
  lastMs.set(machine, atMs)
}

function quantiles(values: number[]): Quantiles {
  return {
    count: values.length,
    p50: quantile(values, 0.5),
    p99: quantile(values, 0.99),
    max: values.reduce((most, value) => Math.max(most, value), 0),
  }
}
