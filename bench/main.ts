// Measures everything side by side in one run and prints what it means: `npm run bench -- --help`.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { Command } from 'commander'
import { copyLimit } from './copy-limit.ts'
import { measureExports, reportExports } from './exports.ts'
import { fixed, spread, table, whole, type Spread } from './figures.ts'
import { latencyAt } from './latency.ts'
import { liveAt, printLive, type LiveResult } from './live.ts'
import { monitorUnderLoad, type UnderLoad } from './monitor.ts'
import { readingsPosted, reportPosted } from './posting.ts'
import { runCase, type Case, type Result } from './run-case.ts'
import { seriesUnderLoad, type SeriesCase } from './series.ts'
import { openServers, type Servers } from './servers.ts'
import { reportStorage, storageReport } from './storage.ts'
import { configFor } from './stream.ts'

const cases: readonly (Case & { readonly key: string })[] = [
  {
    key: 'original',
    title: 'original design: fetch 10, an INSERT and an ack each',
    task: 'original',
    each: 1,
    share: 0.04,
  },
  {
    key: 'limit',
    title: 'broker: take and ack, nothing else (client library)',
    task: 'broker-limit',
    each: 1,
    share: 1,
  },
  {
    key: 'take',
    title: 'broker: take and ack, nothing else (our source)',
    task: 'own-take-and-ack',
    each: 1,
    share: 1,
  },
  { key: 'one', title: 'pipeline, one reading a message', task: 'pipeline', each: 1, share: 1 },
  { key: 'hundred', title: 'pipeline, 100 readings a message', task: 'pipeline', each: 100, share: 0.02 },
]
const COPY = { key: 'copy', title: 'table: the same rows by psql COPY' }

interface Options {
  readonly messages: number
  readonly rounds: number
  readonly backlog: number
  readonly rows: number
  readonly seconds: number
  readonly only: readonly string[] | null
  readonly json: string
}

const number = (text: string) => Number(text)
const program = new Command('npm run bench --')
  .description(
    'Measures ingestion and the API against the embedded servers, or those of NATS_URL and DATABASE_URL ' +
      '(a database and streams of its own are made there and taken away). Parts: rounds, latency, monitor, series, exports, post, storage, live.',
  )
  .option('--messages <n>', 'messages of a round', number, 200_000)
  .option('--rounds <n>', 'alternating rounds of each case', number, 3)
  .option('--backlog <n>', 'messages that wait for the monitor', number, 1_000_000)
  .option('--rows <n>', 'readings of an export', number, 1_000_000)
  .option('--seconds <n>', 'seconds of each latency', number, 10)
  .option(
    '--only <part...>',
    'only these parts or cases',
    (part: string, all: string[] | null) => [...(all ?? []), part],
    null,
  )
  .option('--json <file>', 'where the figures go', 'bench-results.json')
  .parse()
const options = program.opts<Options>()
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort(new Error(name)))

const say = (line: string) => process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : '')
const note = (line: string) => process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}${line}\n`)
const isWanted = (...names: string[]) =>
  options.only === null || names.some((name) => options.only?.includes(name))

const servers = await openServers(stop.signal, { info: say, warn: note })
try {
  const rounds = await measureRounds(servers)
  const latency = await measureLatency(servers)
  const monitor = isWanted('monitor')
    ? await monitorUnderLoad(servers, options.backlog, (progress) =>
        say(`the monitor and a backlog: ${progress}`),
      )
    : null
  const series = isWanted('series') ? await seriesUnderLoad(servers, say) : []
  const exported = isWanted('exports')
    ? await measureExports(servers, options.rows, options.messages, options.rounds, (progress) =>
        say(`exports: ${progress}`),
      )
    : null
  const posted = isWanted('post') ? await readingsPosted(servers) : []
  const storage = isWanted('storage') ? await storageReport(servers, say) : null
  const live = await measureLive(servers)
  note('')
  report(rounds, latency, monitor)
  reportSeries(series)
  if (exported !== null) reportExports(exported, (line) => process.stdout.write(`${line}\n`))
  reportPosted(posted, (line) => process.stdout.write(`${line}\n`))
  if (storage !== null) reportStorage(storage, (line) => process.stdout.write(`${line}\n`))
  printLive(live)
  const settings = configFor('BENCH')
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? '', platform: process.platform }
  const versions = { node: process.version, ...servers.versions, embedded: servers.isEmbedded }
  const document = {
    at: new Date().toISOString(),
    machine,
    versions,
    options,
    settings,
    rounds: Object.fromEntries(rounds),
    latency,
    monitor,
    series,
    exported,
    posted,
    storage,
    live,
  }
  writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`)
  process.stdout.write(`\nAll figures: ${options.json}\n`)
} finally {
  await servers.stop()
}
process.exit(0)

/** Every case once a round, one after the other, so that a slow hour of the machine falls on all of them. */
async function measureRounds(on: Servers): Promise<Map<string, Result[]>> {
  const results = new Map<string, Result[]>()
  const add = (key: string, result: Result) => {
    results.set(key, [...(results.get(key) ?? []), result])
    note(
      `round ${results.get(key)?.length} of ${options.rounds}: ${key.padEnd(9)} ${whole(result.readingsPerSecond)} readings/s`,
    )
  }
  for (let round = 1; round <= options.rounds; round++) {
    for (const one of cases) {
      if (!isWanted('rounds', one.key)) continue
      stop.signal.throwIfAborted()
      add(
        one.key,
        await runCase(on, one, options.messages, (progress) =>
          say(`round ${round}: ${one.title}: ${progress}`),
        ),
      )
      if (one.key !== 'one' || on.isEmbedded.database || !isWanted('rounds', COPY.key)) continue
      say(`round ${round}: ${COPY.title}`)
      const copied = await copyLimit(on)
      if (copied !== null) add(COPY.key, copied)
    }
  }
  return results
}

async function measureLatency(on: Servers): Promise<Record<string, Result>> {
  const results: Record<string, Result> = {}
  if (!isWanted('latency')) return results
  for (const perSecond of [10, 1_000, 10_000]) {
    stop.signal.throwIfAborted()
    results[perSecond] = await latencyAt(on, perSecond, options.seconds, (progress) =>
      say(`latency at ${perSecond}/s: ${progress}`),
    )
  }
  return results
}

/** At the usual rate, and with every reading shown. */
async function measureLive(on: Servers): Promise<LiveResult[]> {
  const results: LiveResult[] = []
  if (!isWanted('live')) return results
  for (const rate of [configFor('BENCH').live.rate, 50]) {
    stop.signal.throwIfAborted()
    results.push(
      await liveAt(on, rate, options.seconds, (progress) => say(`live at rate ${rate}: ${progress}`)),
    )
  }
  return results
}

function report(
  rounds: Map<string, Result[]>,
  latency: Record<string, Result>,
  monitor: UnderLoad | null,
): void {
  const print = (text: string) => process.stdout.write(`${text}\n`)
  const { versions, isEmbedded } = servers
  const where = (embedded: boolean) => (embedded ? ' (embedded)' : '')
  print(
    `Node ${process.version}, nats-server ${versions.nats}${where(isEmbedded.nats)}, PostgreSQL ${versions.database} with TimescaleDB ` +
      `${versions.timescaledb}${where(isEmbedded.database)}, ${cpus().length} cores`,
  )
  const rate = (key: string, of: (result: Result) => number): Spread | null => {
    const results = rounds.get(key)
    return results === undefined ? null : spread(results.map(of))
  }
  const middle = (results: Result[], of: (result: Result) => number) => spread(results.map(of)).median
  if (rounds.size > 0) {
    const rows = [...cases, COPY].flatMap(({ key, title }) => {
      const results = rounds.get(key)
      if (results === undefined) return []
      const { median, min, max } = spread(results.map((result) => result.readingsPerSecond))
      return [
        [
          title,
          whole(median),
          `${whole(min)} to ${whole(max)}`,
          ...(['client', 'nats', 'database'] as const).map((name) =>
            fixed(
              middle(results, (result) => result.cpuUs[name]),
              1,
            ),
          ),
          fixed(Math.max(...results.map((result) => result.peakMiB ?? NaN)), 0),
        ],
      ]
    })
    print(
      `\n${table([['median of the rounds', 'readings/s', 'spread', 'client us', 'nats us', 'database us', 'peak MiB'], ...rows])}`,
    )
    print('CPU is in microseconds a message; peak MiB is the largest resident memory of the client.\n')
    ratio('pipeline : original design', rate('one', messages), rate('original', messages))
    ratio('pipeline : take and ack by the client library', rate('one', messages), rate('limit', messages))
    ratio('pipeline : take and ack by our source', rate('one', messages), rate('take', messages))
    ratio('pipeline of 100 : psql COPY', rate('hundred', readings), rate('copy', readings))
  }
  for (const [perSecond, { latency: found }] of Object.entries(latency)) {
    if (found === null) continue
    print(
      `publish to commit at ${whole(Number(perSecond))}/s: p50 ${fixed(found.p50, 1)} ms, p99 ${fixed(found.p99, 1)} ms, ` +
        `largest ${fixed(found.max, 1)} ms, of ${whole(found.count)}`,
    )
  }
  if (monitor !== null) {
    print(
      `the monitor with ${whole(monitor.messages)} messages waiting: ${whole(monitor.messagesPerSecond)} messages/s with its start, ` +
        `at most ${fixed(monitor.peakMiB, 0)} MiB resident`,
    )
    for (const [path, { p50, p99, max, count, failed }] of Object.entries(monitor.answers)) {
      print(
        `  ${path} meanwhile: p50 ${fixed(p50, 1)} ms, p99 ${fixed(p99, 1)} ms, largest ${fixed(max, 1)} ms, ${count} requests, ${failed} failed`,
      )
    }
  }
}

function reportSeries(series: readonly SeriesCase[]): void {
  for (const { title, requests, failed, bytes, p50, p95, cpuMs } of series) {
    process.stdout.write(
      `series of ${title}: p50 ${fixed(p50, 1)} ms, p95 ${fixed(p95, 1)} ms (wanted: 50), 20 clients, ${whole(requests)} requests, ` +
        `${failed} failed, ${whole(bytes)} bytes each; CPU ms a request: monitor ${fixed(cpuMs.monitor, 2)}, database ${fixed(cpuMs.database, 2)}\n`,
    )
  }
}

function ratio(title: string, one: Spread | null, other: Spread | null): void {
  if (one === null || other === null) return
  process.stdout.write(`${title.padEnd(48)} ${(one.median / other.median).toFixed(2)}\n`)
}

function messages(result: Result): number {
  return result.messagesPerSecond
}

function readings(result: Result): number {
  return result.readingsPerSecond
}
