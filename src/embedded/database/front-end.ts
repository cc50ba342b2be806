/*
 * Brings the clients' units to the one engine.
 *
 *   free -> owned by a client (its ReadyForQuery did not say idle, or its unit is not whole) -> free
 *
 * Invariant: a client owns the engine from the first unit of a transaction to its end; nobody else's unit runs
 * in between. An owner that goes away, or leaves the engine waiting longer than `idleTransactionMs`, is rolled
 * back. Outside transactions the engine's session is shared: what a client sets with SET is set for all, and
 * so are temporary tables, SQL-level PREPARE and cursors WITH HOLD.
 */
import type { Server } from 'node:net'
import { createServer } from 'node:net'
import { Client } from './client.ts'
import type { Engine } from './engine.ts'
import { closeStatement, executeNothing, simpleQuery, statusAtEnd, sync } from './frames.ts'
import { RANKS, Turns } from './turns.ts'
import type { Unit } from './units.ts'

export interface FrontEndOptions {
  readonly password: string
  /** After this long in a transaction without a unit, a client is ended (SQLSTATE 25P03). */
  readonly idleTransactionMs: number
  readonly maxClients: number
  /** The largest result of one unit, in bytes; more ends the client (SQLSTATE 54000). */
  readonly maxResultBytes: number
  /** How long a client may leave results unread. */
  readonly unreadLimitMs: number
  /** Called between turns, when the engine belongs to nobody. It may use the engine. */
  readonly onFree: () => void
  /** Called after each unit of a client. */
  readonly onUnit: (unit: { readonly bytes: number; readonly elapsedMs: number }) => void
  /** The engine has failed and cannot be used any more. */
  readonly onEngineFailure: (error: unknown) => void
}

/** What waits for a turn: a client, or a piece of upkeep. */
type Waiter = Client | (() => void)

export class FrontEnd {
  readonly #engine: Engine
  readonly #options: FrontEndOptions
  readonly #server: Server
  readonly #clients = new Set<Client>()
  readonly #turns = new Turns<Waiter>()
  /** Statements of clients that are gone, to be closed when the engine is free. */
  readonly #orphans: string[] = []
  #owner: Client | undefined
  #unnamedOwner: Client | undefined
  #idleTimer: NodeJS.Timeout | undefined
  #scheduled = false
  #stopped = false
  #nextClient = 1

  constructor(engine: Engine, options: FrontEndOptions) {
    this.#engine = engine
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.#stopped || this.#clients.size > options.maxClients + 16) return socket.destroy()
      const client = new Client(socket, `c${(this.#nextClient++).toString(36)}`, {
        password: options.password,
        serverVersion: engine.serverVersion,
        unreadLimitMs: options.unreadLimitMs,
        surplus: this.#clients.size >= options.maxClients,
        onWork: (worker) => this.#hasWork(worker),
        onGone: (goner) => this.#released(goner),
      })
      this.#clients.add(client)
    })
  }

  /** Listens; resolves with the port, rejects with the system's error. */
  async listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.#server.once('error', reject)
    this.#server.listen(port, host, () => {
      this.#server.off('error', reject)
      const address = this.#server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
    return promise
  }

  /** Ends all clients, rolling back what they had begun; the engine is free afterwards. */
  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#server.close()
    for (const client of this.#clients) client.fail('57P01', 'The embedded database is stopping.')
  }

  /** Runs upkeep when its turn comes, after everything else that waits. */
  runLater(upkeep: () => void): void {
    this.#turns.add(upkeep, RANKS.upkeep, performance.now())
    this.#schedule()
  }

  #hasWork(client: Client): void {
    if (!client.servable) return
    if (client !== this.#owner) this.#turns.add(client, client.rank, performance.now())
    this.#schedule()
  }

  /** One turn per round of the event loop, so that what has arrived meanwhile competes for the next one. */
  #schedule(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#stopped) return
      try {
        this.#turn()
      } catch (error) {
        this.#options.onEngineFailure(error)
      }
    })
  }

  #turn(): void {
    if (this.#owner !== undefined) {
      if (this.#owner.servable) this.#serve(this.#owner)
    } else {
      this.#closeOrphans()
      this.#options.onFree()
      const next = this.#turns.take(performance.now())
      if (next instanceof Client) this.#serve(next)
      else if (next !== undefined) {
        this.#unnamedOwner = undefined
        next()
      }
    }
    if (this.#owner === undefined ? this.#turns.size > 0 : this.#owner.servable) this.#schedule()
  }

  #serve(client: Client): void {
    const unit = client.servable ? client.takeUnit() : undefined
    if (unit === undefined) return
    clearTimeout(this.#idleTimer)
    const startedMs = performance.now()
    this.#restoreUnnamed(client, unit)
    const { output, overflowed, tail } = this.#engine.execute(unit.bytes, this.#options.maxResultBytes)
    const status = unit.whole ? statusAtEnd(tail) : undefined
    if (unit.whole && status === undefined) throw new Error('The engine did not finish its answer.')
    this.#owner = status === 'I' ? undefined : client
    if (this.#owner !== undefined) this.#watchIdle(client)
    if (overflowed)
      client.fail('54000', `A result of more than ${this.#options.maxResultBytes} bytes; page it.`)
    else client.send(output)
    this.#options.onUnit({ bytes: unit.bytes.length, elapsedMs: performance.now() - startedMs })
    if (client !== this.#owner && client.servable) this.#turns.add(client, client.rank, performance.now())
  }

  /** The engine has one unnamed statement; each client believes that it has one of its own. */
  #restoreUnnamed(client: Client, unit: Unit): void {
    if (unit.needsUnnamed && this.#unnamedOwner !== client)
      this.#engine.execute(Buffer.concat([client.unnamed ?? closeStatement(''), sync()]))
    if (unit.needsUnnamed || unit.leavesUnnamed !== undefined) this.#unnamedOwner = client
    if (unit.leavesUnnamed !== undefined) client.unnamed = unit.leavesUnnamed
  }

  /** Ends the owner when nothing comes from it in time. */
  #watchIdle(client: Client): void {
    clearTimeout(this.#idleTimer)
    // What arrived while this process was busy or suspended is read before the owner is judged.
    const judge = () => setImmediate(() => setImmediate(() => this.#endIdle(client)))
    this.#idleTimer = setTimeout(judge, this.#options.idleTransactionMs)
  }

  #endIdle(client: Client): void {
    if (this.#owner !== client || client.servable) return
    client.fail('25P03', 'The transaction was idle for too long and has been rolled back.')
  }

  /** A client is gone: what it had begun is rolled back at once, its statements are closed soon. */
  #released(client: Client): void {
    this.#clients.delete(client)
    this.#turns.delete(client)
    this.#orphans.push(...client.units.statements)
    if (this.#unnamedOwner === client) this.#unnamedOwner = undefined
    if (this.#owner === client) {
      clearTimeout(this.#idleTimer)
      this.#owner = undefined
      try {
        this.#engine.execute(Buffer.concat([executeNothing(), sync(), simpleQuery('ROLLBACK')]))
      } catch (error) {
        return this.#options.onEngineFailure(error)
      }
    }
    this.#schedule()
  }

  #closeOrphans(): void {
    if (this.#orphans.length === 0) return
    this.#engine.execute(Buffer.concat([...this.#orphans.map(closeStatement), sync()]))
    this.#orphans.length = 0
  }
}
