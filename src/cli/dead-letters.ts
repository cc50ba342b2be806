// `cnc-monitor dead-letters list | show | replay`: what was refused, looked through and brought in after all,
// through the running monitor's API.
import type { Command } from 'commander'
import type { DeadLetter, DeadLetterWithReplays } from '../web/dead-letter-contract.ts'
import { deadLetterPage, deadLetterTable } from './dead-letter-text.ts'
import { monitorApi, type MonitorApi } from './monitor-api.ts'
import { FILTERS, replay, type Filters, type ReplayOptions } from './replay-command.ts'

export interface DeadLetterCommandsOptions {
  /** Where the monitor is when nobody says it. */
  readonly defaultUrl: () => string
  readonly wholeNumber: (text: string) => number
  /** Says why a command failed; the exit status. */
  readonly failed: (error: unknown) => number
}

type Options = Filters & { readonly url?: string }

const PAGE = 1_000

const print = (line: string) => void process.stdout.write(`${line}\n`)
const say = (line: string) => void process.stderr.write(`${line}\n`)

export function addDeadLetterCommands(program: Command, options: DeadLetterCommandsOptions): void {
  const { defaultUrl, wholeNumber, failed } = options
  const group = program.command('dead-letters').description('what was refused: look through it, replay it')
  const command = (name: string, description: string) =>
    group
      .command(name)
      .description(description)
      .option('--url <url>', "the monitor's API; default: the running embedded one, else 127.0.0.1:HTTP_PORT")
  const filtered = (made: Command) =>
    made
      .option('--code <code>', 'refused with this code')
      .option('--machine <id>', 'naming this machine')
      .option('--subject <subject>', 'published on this subject')
      .option('--stream <name>', 'of this stream')
      .option('--sequence <n>', 'of the message with this sequence in the stream', wholeNumber)
      .option('--since <time>', 'received at this time or later (RFC 3339)')
      .option('--until <time>', 'received at this time or earlier')
      .option('--state <state>', 'open, pending or stored')
  const run = async (url: string | undefined, work: (api: MonitorApi) => Promise<number>) => {
    // Whoever reads the output has seen enough, as `head` does.
    process.stdout.on('error', () => process.exit(0))
    try {
      process.exitCode = await work(monitorApi(url ?? defaultUrl()))
    } catch (error) {
      process.exitCode = failed(error)
    }
  }

  filtered(command('list', 'list dead letters, the newest first'))
    .option('--limit <n>', 'how many at most', wholeNumber, 100)
    .option('--json', 'one JSON object a line', false)
    .action(({ url, ...rest }: Options & { limit: number; json: boolean }) =>
      run(url, (api) => list(api, rest, rest.limit, rest.json)),
    )

  command('show', 'show everything about one dead letter')
    .argument('<id>')
    .option('--json', 'as JSON', false)
    .option('--payload', 'its payload alone, byte by byte', false)
    .action((id: string, { url, ...rest }: Options & { json: boolean; payload: boolean }) =>
      run(url, (api) => show(api, id, rest)),
    )

  filtered(command('replay', 'publish dead letters again, and say what becomes of them'))
    .argument('[ids...]', 'which ones; else a filter, or --all')
    .option('--all', 'every open one (that the filters mean)', false)
    .option('--payload <file>', 'send this instead; "-": standard input (one dead letter only)')
    .option('--by <name>', 'who asks for it; default: the user of the operating system')
    .option('--dry-run', 'only say how many are meant', false)
    .option('--wait <seconds>', 'how long to wait while nothing happens', wholeNumber, 30)
    .action((ids: string[], { url, ...rest }: Options & ReplayOptions) =>
      run(url, (api) => replay(api, ids, rest)),
    )
}

async function list(api: MonitorApi, filters: Filters, limit: number, asJson: boolean): Promise<number> {
  const query = new URLSearchParams({ limit: String(Math.min(limit, PAGE)) })
  for (const name of FILTERS) if (filters[name] !== undefined) query.set(name, String(filters[name]))
  const letters: DeadLetter[] = []
  let next: string | null = `/api/v1/dead-letters?${query.toString()}`
  while (next !== null && letters.length < limit) {
    const page = await api.get(next)
    letters.push(...(page.body as DeadLetter[]))
    next = page.next
  }
  const isMore = next !== null || letters.length > limit
  const shown = letters.slice(0, limit)
  if (asJson) for (const letter of shown) print(JSON.stringify(letter))
  else if (shown.length === 0) say('There is no such dead letter.')
  else for (const line of deadLetterTable(shown, process.stdout.columns ?? Infinity)) print(line)
  if (isMore) say(`There are more than these ${shown.length}; --limit shows more, a filter fewer.`)
  return 0
}

async function show(api: MonitorApi, id: string, as: { json: boolean; payload: boolean }): Promise<number> {
  const { body } = await api.get(`/api/v1/dead-letters/${encodeURIComponent(id)}`)
  const letter = body as DeadLetterWithReplays
  if (as.payload) process.stdout.write(Buffer.from(letter.payload, letter.payload_encoding))
  else if (as.json) print(JSON.stringify(letter, null, 2))
  else for (const line of deadLetterPage(letter)) print(line)
  return 0
}
