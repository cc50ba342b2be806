// The one folder that holds everything of the embedded servers, used by one program at a time.
//
// endpoints.json tells other commands where the running program is. It is written when all is ready, removed
// at the end, and believed only while the program that wrote it lives.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { sentenceOf, UsageError } from '../errors.ts'
import { acquireFolderLock, type FolderLock } from './folder-lock.ts'

export interface StateFolder {
  readonly path: string
  /** Of the embedded database; made once. */
  readonly password: string
  close(): void
}

export interface EndpointsFile {
  readonly http: string
  readonly nats: string
  readonly database: string
  readonly pids: { readonly monitor: number; readonly nats: number | null; readonly database: number | null }
}

/** Makes and locks the folder. Throws UsageError that names the holder when somebody else has it. */
export async function openStateFolder(folder: string): Promise<StateFolder> {
  const path = resolve(folder)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  let lock: FolderLock
  try {
    lock = await acquireFolderLock(join(path, 'monitor'), { waitMs: 1_000 })
  } catch (error) {
    const holder = /pid \d+/.exec(sentenceOf(error))?.[0]
    if (holder === undefined) throw error
    throw new UsageError(
      `The state folder ${path} is in use by a running cnc-monitor (${holder}). Stop that one first, or choose ` +
        `another folder with STATE_DIR.`,
    )
  }
  return { path, password: passwordIn(path), close: () => lock.release() }
}

export function writeEndpoints(folder: string, endpoints: EndpointsFile): void {
  const path = join(folder, 'endpoints.json')
  writeFileSync(`${path}.new`, `${JSON.stringify(endpoints, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export function removeEndpoints(folder: string): void {
  rmSync(join(folder, 'endpoints.json'), { force: true })
}

/** Null when there is no running program: no file, not ours, or left behind by one that is gone. */
export function readEndpoints(folder: string): EndpointsFile | null {
  try {
    const endpoints: unknown = JSON.parse(readFileSync(join(folder, 'endpoints.json'), 'utf8'))
    if (!isEndpoints(endpoints)) return null
    process.kill(endpoints.pids.monitor, 0)
    return endpoints
  } catch {
    return null
  }
}

/** A pid of 0 or less would ask for a process group, which always lives. */
function isEndpoints(value: unknown): value is EndpointsFile {
  const { http, nats, database, pids } = (value ?? {}) as Partial<EndpointsFile>
  const isPid = (pid: unknown) => Number.isInteger(pid) && Number(pid) > 0
  return (
    [http, nats, database].every((url) => typeof url === 'string') &&
    isPid(pids?.monitor) &&
    [pids?.nats, pids?.database].every((pid) => pid === null || isPid(pid))
  )
}

function passwordIn(folder: string): string {
  const path = join(folder, 'database-password')
  try {
    const password = readFileSync(path, 'utf8').trim()
    if (password !== '') return password
  } catch {
    // Made below.
  }
  const password = randomBytes(18).toString('base64url')
  writeFileSync(path, `${password}\n`, { mode: 0o600 })
  return password
}
