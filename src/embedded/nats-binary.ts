// Finds a nats-server: on the PATH, else in the cache, else fetched for this platform once.
//
// Invariant: nothing is run that nobody vouched for. apt verifies the signature of Debian's package lists and
// the checksum of the package; a release archive is held against the checksums its release publishes.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { sentenceOf } from '../errors.ts'

const run = promisify(execFile)
const RELEASE = 'v2.12.2'
const RELEASES = 'https://github.com/nats-io/nats-server/releases/download'
const FETCH_LIMIT_MS = 120_000
const EXECUTABLE = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'

export interface FindOptions {
  readonly onProgress: (sentence: string) => void
  readonly signal: AbortSignal
  /** Where the fetched binary is kept; $XDG_CACHE_HOME/cnc-monitor or ~/.cache/cnc-monitor when absent. */
  readonly cacheDir?: string
}

/** The path of a nats-server that runs. Throws a sentence when none is to be had. */
export async function findNatsServer(options: FindOptions): Promise<string> {
  const cacheDir = options.cacheDir ?? defaultCacheDir()
  const cached = join(cacheDir, EXECUTABLE)
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && (await runs(join(folder, EXECUTABLE)))) return join(folder, EXECUTABLE)
  }
  if (await runs(cached)) return cached
  options.onProgress('fetching nats-server (first start only)')
  const work = await mkdtemp(join(tmpdir(), 'cnc-monitor-nats-'))
  const placed = join(cacheDir, `${basename(work)}.new`)
  try {
    const fetched =
      (await fromDebian(work, options.signal)) ?? (await fromRelease(work, options.signal, RELEASES))
    await mkdir(cacheDir, { recursive: true })
    // Renamed into place, so that two starts at once never run half a file.
    await copyFile(fetched, placed)
    await chmod(placed, 0o755)
    await rename(placed, cached)
    if (!(await runs(cached))) throw new Error('what was fetched does not run on this machine')
    return cached
  } catch (error) {
    options.signal.throwIfAborted()
    throw new Error(
      `nats-server is not on the PATH and could not be fetched: ${sentenceOf(error)}. Install it ` +
        '(https://docs.nats.io/running-a-nats-service/introduction/installation), or set NATS_URL to a running one.',
      { cause: error },
    )
  } finally {
    await rm(placed, { force: true })
    await rm(work, { recursive: true, force: true })
  }
}

function defaultCacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cnc-monitor')
}

async function runs(path: string): Promise<boolean> {
  return access(path)
    .then(() => run(path, ['--version'], { timeout: 5_000 }))
    .then(
      () => true,
      () => false,
    )
}

/** Debian's and Ubuntu's package, unpacked without root; null where there is no apt. */
async function fromDebian(work: string, signal: AbortSignal): Promise<string | null> {
  try {
    await run('dpkg', ['--version'])
    await run('apt-get', ['--version'])
  } catch {
    return null
  }
  await mkdir(join(work, 'lists', 'partial'), { recursive: true })
  await mkdir(join(work, 'cache', 'archives', 'partial'), { recursive: true })
  const options = [
    `Dir::State::lists=${join(work, 'lists')}`,
    `Dir::Cache=${join(work, 'cache')}`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=',
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option])
  const limits = { cwd: work, signal, timeout: FETCH_LIMIT_MS }
  // Some of the machine's other sources may not answer; what counts is whether the package can be had.
  await run('apt-get', [...options, 'update'], limits).catch(() => signal.throwIfAborted())
  await run('apt-get', [...options, 'download', 'nats-server'], limits)
  const archive = (await readdir(work)).find((name) => name.endsWith('.deb'))
  if (archive === undefined) throw new Error('apt-get brought no package')
  await run('dpkg', ['-x', join(work, archive), work])
  return join(work, 'usr', 'sbin', 'nats-server')
}

/** The official archive, whose checksum must be the one in the release's own list. */
export async function fromRelease(work: string, signal: AbortSignal, releases: string): Promise<string> {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `nats-server-${RELEASE}-${os}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  const extension = os === 'linux' ? 'tar.gz' : 'zip'
  const get = async (file: string) => {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(FETCH_LIMIT_MS)])
    const response = await fetch(`${releases}/${RELEASE}/${file}`, { signal: limit })
    if (!response.ok) throw new Error(`${file} cannot be had (HTTP ${response.status})`)
    return Buffer.from(await response.arrayBuffer())
  }
  const archive = await get(`${name}.${extension}`)
  const checksums = (await get('SHA256SUMS')).toString()
  const sum = createHash('sha256').update(archive).digest('hex')
  if (!checksums.split('\n').some((line) => line.startsWith(sum) && line.endsWith(`${name}.${extension}`))) {
    throw new Error(`${name}.${extension} does not have the checksum that its release publishes`)
  }
  const path = join(work, `archive.${extension}`)
  await writeFile(path, archive)
  // bsdtar, as macOS and Windows have it, also unpacks zip.
  await run('tar', ['-xf', path, '-C', work], { signal })
  return join(work, name, EXECUTABLE)
}
