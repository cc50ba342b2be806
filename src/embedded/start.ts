// The servers a monitor needs: those it was told of, and embedded ones in place of the rest. The monitor does
// not know which they are.
import type { Config } from '../config.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { startEmbeddedServers } from './servers.ts'
import { openStateFolder, removeEndpoints, writeEndpoints } from './state-folder.ts'

export interface Servers {
  readonly natsUrl: string
  readonly databaseUrl: string
  /** Tells other commands where everything is; nothing happens when no server is embedded. */
  announce(httpUrl: string): void
}

/** Starts what has no URL. A port that somebody set explicitly is not replaced by another one. */
export async function startServers(
  config: Config,
  explicit: ReadonlySet<string>,
  log: Log,
  life: Lifecycle,
): Promise<Servers> {
  const { nats, database, stateDir } = config
  if (nats.url !== null && database.url !== null) {
    return { natsUrl: nats.url, databaseUrl: database.url, announce: () => undefined }
  }
  const folder = await openStateFolder(stateDir)
  life.onStop('the state folder', () => folder.close())
  let announce: () => void = () => undefined
  const servers = await startEmbeddedServers({
    folder,
    nats: nats.url === null ? { port: nats.port, isPortFixed: explicit.has('nats.port') } : null,
    database:
      database.url === null ? { port: database.port, isPortFixed: explicit.has('database.port') } : null,
    log,
    onRestart: () => announce(),
    signal: life.signal,
  })
  life.onStop('the embedded servers', () => servers.stop())
  const natsUrl = nats.url ?? servers.natsUrl ?? ''
  const databaseUrl = database.url ?? servers.databaseUrl ?? ''
  return {
    natsUrl,
    databaseUrl,
    announce(httpUrl) {
      announce = () => {
        const pids = { monitor: process.pid, ...servers.pids() }
        writeEndpoints(stateDir, { http: httpUrl, nats: natsUrl, database: databaseUrl, pids })
      }
      announce()
      life.onStop('endpoints.json', () => {
        announce = () => undefined
        removeEndpoints(stateDir)
      })
    },
  }
}
