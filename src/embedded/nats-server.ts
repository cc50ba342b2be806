// The embedded NATS server: the real binary with JetStream in the state folder.
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startChild } from './child.ts'
import { saysUnwritable, watchJetStream } from './jetstream-watch.ts'
import type { RunningServer, ServerPort } from './servers.ts'

const READY_LIMIT_MS = 20_000
const ORPHAN_LIMIT_MS = 10_000
const MORE_PORTS = 20
const LAST_PORT = 65_535
const HOST = '127.0.0.1'

export interface NatsOptions extends ServerPort {
  readonly binary: string
  /** Holds the stream's files, the configuration and the pid. */
  readonly folder: string
  /** It was killed because it answered nothing any more, or could not write. */
  readonly onStuck?: (sentence: string) => void
  readonly signal: AbortSignal
}

/** Resolves when it answers. Throws a sentence, with its last words, when it does not. */
export async function startNats({
  binary,
  folder,
  port,
  isPortFixed,
  onStuck,
  signal,
}: NatsOptions): Promise<RunningServer> {
  await mkdir(folder, { recursive: true })
  const configPath = join(folder, 'nats-server.conf')
  const pidPath = join(folder, 'nats-server.pid')
  await endOrphan(await readPid(pidPath), configPath)
  const chosen = await freePort(port, isPortFixed ? 0 : MORE_PORTS)
  await writeFile(configPath, await configText(binary, folder, pidPath, chosen))
  let isUnwritable = false
  const child = startChild({
    script: join(import.meta.dirname, 'keeper.ts'),
    args: [binary, '--config', configPath],
    onLog: (line) => (isUnwritable ||= saysUnwritable(line)),
  })
  let pid = 0
  const stop = async () => {
    await child.stop()
    // The keeper may have been killed, and then has not ended it.
    await endOrphan(pid || (await readPid(pidPath)), configPath)
  }
  let gone = false
  void child.exited.then(() => (gone = true))
  try {
    const deadline = Date.now() + READY_LIMIT_MS
    while (!(await answers(chosen))) {
      signal.throwIfAborted()
      if (gone) throw new Error(`nats-server ended at once:\n${child.lastLines()}`)
      if (Date.now() > deadline)
        throw new Error(`nats-server did not answer on port ${chosen}:\n${child.lastLines()}`)
      await sleep(50)
    }
    pid = await readPid(pidPath)
    const stuck = (sentence: string) => {
      onStuck?.(sentence)
      send(pid, 'SIGKILL')
    }
    void watchJetStream({ host: HOST, port: chosen }, child.exited, () => isUnwritable, stuck)
    return {
      url: `nats://${HOST}:${chosen}`,
      port: chosen,
      pid,
      exited: child.exited,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function configText(binary: string, folder: string, pidPath: string, port: number): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'])
  const [major = 0, minor = 0] = (/v(\d+)\.(\d+)/.exec(stdout)?.slice(1) ?? []).map(Number)
  // From 2.10 on the server can put each message on the disk before it acknowledges it.
  const sync = major > 2 || minor >= 10 ? '  sync_interval: always\n' : ''
  return [
    `server_name: cnc-monitor`,
    `host: ${HOST}`,
    `port: ${port}`,
    `pid_file: ${JSON.stringify(pidPath)}`,
    `jetstream {\n  store_dir: ${JSON.stringify(join(folder, 'jetstream'))}\n${sync}}`,
    '',
  ].join('\n')
}

/** A server left behind when everything else was killed at once: its files are not opened a second time. */
async function endOrphan(pid: number, configPath: string): Promise<void> {
  const deadline = Date.now() + ORPHAN_LIMIT_MS
  const isOurs = async () => pid > 1 && (await commandOf(pid)).includes(configPath)
  if (await isOurs()) send(pid, 'SIGTERM')
  while (await isOurs()) {
    if (Date.now() > deadline) send(pid, 'SIGKILL')
    await sleep(50)
  }
}

/** 0 when there is none. */
async function readPid(pidPath: string): Promise<number> {
  return Number(await readFile(pidPath, 'utf8').catch(() => '0')) || 0
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Empty when there is no such process. Slim container images have /proc and no ps, macOS has ps only. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => '',
  )
}

/** The wanted port or one of the `tries` after it; any when 0 is wanted. */
async function freePort(wanted: number, tries: number): Promise<number> {
  for (let port = wanted; ; port++) {
    const probe = createServer()
    try {
      return await new Promise<number>((resolve, reject) => {
        probe.once('error', reject)
        probe.listen(port, HOST, () => resolve((probe.address() as AddressInfo).port))
      })
    } catch (error) {
      if ((error as { code?: string }).code !== 'EADDRINUSE') throw error
      if (port >= Math.min(wanted + tries, LAST_PORT)) {
        const sentence = `Port ${port} is taken; set NATS_PORT to a free one, or to 0 for any.`
        throw new Error(sentence, { cause: error })
      }
    } finally {
      await new Promise((resolve) => probe.close(resolve))
    }
  }
}

/** Whether a server greets on the port, as a NATS server does. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port, timeout: 1_000 })
    const done = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('data', (data) => done(data.toString().startsWith('INFO ')))
    socket.once('error', () => done(false))
    socket.once('timeout', () => done(false))
    socket.once('end', () => done(false))
  })
}
