// All live clients of this monitor: at most so many, told of every frame, and closed when they take nothing,
// answer nothing or talk.
//
// One timer serves them all, so that a client that comes and goes leaves nothing behind but its own wire.
import { setTimeout as sleep } from 'node:timers/promises'
import type { LiveCloseReason, LiveFrames, LiveKind, LiveObserver } from '../../live-types.ts'
import { Chunks } from './chunks.ts'
import type { LiveConnection } from './connection.ts'
import { eventStreamEncoding } from './event-stream.ts'
import { LiveClient } from './live-client.ts'
import { webSocketEncoding } from './web-socket.ts'

export interface LiveLimits {
  readonly clients: number
  /** Between two pings; a client that has not answered the one before is closed. */
  readonly pingMs: number
  /** How long a client may take nothing. */
  readonly slowMs: number
  /** Messages of a client between two pings. */
  readonly messages: number
  /** How long clients may take to say goodbye when the monitor stops. */
  readonly farewellMs: number
}

export const usualLimits = { pingMs: 20_000, slowMs: 60_000, messages: 100, farewellMs: 1_000 }

export type LiveClientsObserver = Pick<LiveObserver, 'clients' | 'sent' | 'skipped' | 'closed'>

export class LiveClients {
  readonly #frames: LiveFrames
  readonly #limits: LiveLimits
  readonly #observer: LiveClientsObserver
  readonly #chunks
  readonly #clients = new Set<LiveClient>()
  readonly #counts: Record<LiveKind, number> = { ws: 0, sse: 0 }
  readonly #unfollow: () => void
  readonly #upkeep: NodeJS.Timeout
  #isClosed = false

  constructor(frames: LiveFrames, limits: LiveLimits, observer: LiveClientsObserver) {
    this.#frames = frames
    this.#limits = limits
    this.#observer = observer
    this.#chunks = {
      ws: new Chunks(frames, webSocketEncoding),
      sse: new Chunks(frames, eventStreamEncoding),
    }
    this.#unfollow = frames.follow({
      replaced: (frame) => {
        for (const client of this.#clients) if (client.behindSinceMs !== null) client.replaced(frame)
      },
      grown: () => {
        for (const client of this.#clients) this.#advance(client)
      },
    })
    this.#upkeep = setInterval(() => this.#keepUp(), limits.pingMs).unref()
  }

  get isFull(): boolean {
    return this.#clients.size >= this.#limits.clients
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** `after`: the place to go on from; 0: all that is current comes first. The caller removes it when it is gone. */
  add(connection: LiveConnection, machines: ReadonlySet<string> | null, after: number): LiveClient {
    const chunks = this.#chunks[connection.kind]
    const client = new LiveClient({ frames: this.#frames, connection, chunks, machines, after })
    this.#clients.add(client)
    this.#count(connection.kind, 1)
    this.#advance(client)
    return client
  }

  remove(client: LiveClient): void {
    if (this.#clients.delete(client)) this.#count(client.connection.kind, -1)
  }

  /** Its wire has room again. */
  drained(client: LiveClient): void {
    if (!this.#clients.has(client)) return
    client.isAlive = true
    this.#advance(client)
  }

  /** It sent something. */
  heard(client: LiveClient): void {
    if (!this.#clients.has(client)) return
    client.isAlive = true
    client.messages += 1
    if (client.messages > this.#limits.messages) this.#close(client, 'talkative')
  }

  /** Says goodbye to all and waits until they are gone; those that are not are cut off. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#upkeep)
    this.#unfollow()
    for (const { connection } of this.#clients) connection.end('stopping')
    const deadline = performance.now() + this.#limits.farewellMs
    while (this.#clients.size > 0 && performance.now() < deadline) await sleep(10)
    for (const { connection } of this.#clients) connection.destroy()
  }

  #advance(client: LiveClient): void {
    const { sent, skipped } = client.advance(performance.now())
    if (sent > 0) this.#observer.sent(client.connection.kind, sent)
    if (skipped > 0) this.#observer.skipped(client.connection.kind, skipped)
  }

  #keepUp(): void {
    const nowMs = performance.now()
    for (const client of this.#clients) {
      const { connection, behindSinceMs } = client
      client.messages = 0
      if (behindSinceMs !== null) {
        // Its pong may wait behind all that it has not read: what it takes is its sign of life.
        if (nowMs - behindSinceMs > this.#limits.slowMs) this.#close(client, 'slow')
      } else if (client.isAlive) {
        client.isAlive = connection.kind === 'sse'
        connection.ping()
      } else {
        this.#close(client, 'silent')
      }
    }
  }

  #close(client: LiveClient, reason: LiveCloseReason): void {
    this.#observer.closed(reason)
    client.connection.end(reason)
    // Who reads nothing reads no farewell either.
    setTimeout(() => client.connection.destroy(), this.#limits.farewellMs).unref()
    this.remove(client)
  }

  #count(kind: LiveKind, by: 1 | -1): void {
    this.#counts[kind] += by
    this.#observer.clients(kind, this.#counts[kind])
  }
}
