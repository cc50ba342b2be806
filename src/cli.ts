// The program's commands. Each joins the stages it needs; what they do is in the stages.
import { createReadStream } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { connectToNats } from './broker/connect.ts'
import { publisherOn } from './broker/publisher.ts'
import { addDeadLetterCommands } from './cli/dead-letters.ts'
import { readConfig, settings, type ReadConfig } from './config.ts'
import { readEndpoints } from './embedded/state-folder.ts'
import { sentenceOf, UsageError } from './errors.ts'
import { startLifecycle, waitFor, type Lifecycle } from './lifecycle.ts'
import { openLog } from './log.ts'
import { startMonitor } from './main.ts'
import type { Publisher } from './pipeline-types.ts'
import { openProgressBar } from './progress-bar.ts'
import { spoolInput } from './sources/spool.ts'
import { replay } from './sources/replay.ts'
import { runShop } from './sources/shop/shop.ts'
import { publishTestData, stress } from './sources/test-readings.ts'

const say = (line: string) => void process.stderr.write(`${line}\n`)
const program = new Command('cnc-monitor')
  .description('Real-time monitoring of CNC machines.')
  .option('-c, --config <file>', 'configuration file (YAML); default: configs/config.yaml where there is one')
  .showHelpAfterError()

const environment = () =>
  `\nSettings (environment, or the same in a YAML file):\n${settings()
    .map(
      ({ env, description, default: value }) =>
        `  ${env.padEnd(28)} ${description} (default: ${value === null ? 'none' : String(value)})`,
    )
    .join('\n')}\n`

const wholeNumber = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.')
  return Number(text)
}
const speed = (text: string): number | 'max' => {
  if (text === 'max') return 'max'
  const value = Number(text)
  if (!(value > 0 && value <= 1e6)) throw new InvalidArgumentError('It must be a number over 0, or "max".')
  return value
}

program
  .command('serve', { isDefault: true })
  .description('run the monitor; servers without a URL are embedded')
  .addHelpText('after', environment)
  .action(() => runServer(false))
program
  .command('demo')
  .description('run the monitor with a simulated shop')
  .option('--machines <n>', 'machines in the shop', wholeNumber, 8)
  .addHelpText('after', environment)
  .action(({ machines }: { machines: number }) => runServer(true, machines))

publishing('publish-test-data', 'publish one valid reading of CNC-001').action(
  async (options: PublishOptions) =>
    publishingTo(options, async (publisher, stream) => {
      await publishTestData(publisher, stream)
      say('Published one reading of CNC-001.')
      return 0
    }),
)
publishing('stress', 'publish 20 readings of each of 5 machines at once, then one malformed message').action(
  async (options: PublishOptions) =>
    publishingTo(options, async (publisher, stream) => {
      const bar = openProgressBar('stress', 101)
      try {
        await stress(publisher, stream, (taken) => bar.update(taken))
      } finally {
        bar.stop()
      }
      say('Published 100 readings of 5 machines and one malformed message.')
      return 0
    }),
)
publishing('simulate', 'publish what a shop of simulated machines reports, until it is stopped')
  .option('--machines <n>', 'machines in the shop', wholeNumber, 8)
  .option('--interval <ms>', 'milliseconds between two readings of a machine', wholeNumber, 1_000)
  .option('--seed <n>', 'same seed, same shop', wholeNumber, 1)
  .action(async (options: PublishOptions & { machines: number; interval: number; seed: number }) =>
    publishingTo(options, async (publisher, stream, life) => {
      say(`Simulating ${options.machines} machines; Ctrl-C ends it.`)
      const { machines, interval: intervalMs, seed } = options
      const result = await runShop(
        publisher,
        { machines, intervalMs, seed },
        { streamName: stream, signal: life.signal, onRefused: say },
      )
      say(`${result.published} readings were taken, ${result.refused} were not.`)
      return result.refused === 0 ? 0 : 1
    }),
  )
publishing('replay', 'publish recorded readings')
  .argument('[file]', 'newline-delimited JSON, one reading a line; "-" or none: standard input', '-')
  .option('--speed <factor>', 'times the recorded pace, or "max"', speed, 1)
  .option('--keep-time', 'keep the recorded times (else all are moved so that the last is now)', false)
  .action(async (file: string, options: PublishOptions & { speed: number | 'max'; keepTime: boolean }) =>
    publishingTo(options, async (publisher, stream, life) => {
      const input = file === '-' ? await spoolInput(process.stdin, life.signal) : null
      const path = input?.path ?? file
      const bar = openProgressBar('replay', 0)
      try {
        const result = await replay(publisher, {
          open: () => createReadStream(path),
          speed: options.speed,
          keepTime: options.keepTime,
          nowMs: Date.now(),
          signal: life.signal,
          streamName: stream,
          onProgress: ({ taken, total }) => bar.update(taken, total),
          onProblem: (line, problem) => say(`line ${line} is skipped: ${problem}`),
        })
        bar.stop()
        say(
          `${result.taken} readings were taken, ${result.refused} were not, ${result.problems} lines were skipped.`,
        )
        if (result.firstError !== null) say(`The first error: ${result.firstError}`)
        const isWhole = result.taken === result.read && result.problems === 0 && !life.signal.aborted
        return isWhole && result.taken > 0 ? 0 : 1
      } finally {
        bar.stop()
        await input?.remove()
      }
    }),
  )

addDeadLetterCommands(program, {
  defaultUrl: () => {
    const { config } = read()
    return readEndpoints(config.stateDir)?.http ?? `http://127.0.0.1:${config.http.port}`
  },
  wholeNumber,
  failed,
})

interface PublishOptions {
  readonly nats?: string
}

function publishing(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '--nats <url>',
      'NATS server; default: NATS_URL, else the running embedded one, else 127.0.0.1:4222',
    )
}

async function publishingTo(
  options: PublishOptions,
  work: (publisher: Publisher, stream: string, life: Lifecycle) => Promise<number>,
): Promise<void> {
  const life = startLifecycle({ deadlineMs: 5_000, say })
  let status = 1
  try {
    const { config } = read()
    const found = readEndpoints(config.stateDir)?.nats
    const url = options.nats ?? config.nats.url ?? found ?? 'nats://127.0.0.1:4222'
    const connection = await waitFor(
      `NATS at ${url.replace(/\/\/.*@/, '//')} (is the monitor running? "npm run demo" starts everything)`,
      () => connectToNats({ url, name: 'cnc-monitor publisher' }),
      { timeoutMs: 5_000, signal: life.signal },
    )
    const publisher = publisherOn(connection)
    life.onStop('the NATS connection', () => publisher.close())
    status = await work(publisher, config.nats.stream, life)
  } catch (error) {
    if (!life.signal.aborted) status = failed(error)
  }
  await life.stop()
  process.exitCode = status
}

async function runServer(withShop: boolean, machines = 0): Promise<void> {
  let configuration: ReadConfig
  try {
    configuration = read()
  } catch (error) {
    process.exitCode = failed(error)
    return
  }
  const { config } = configuration
  const log = openLog(config.logLevel)
  const life = startLifecycle({ deadlineMs: config.shutdownTimeoutMs, say: (line) => log.info(line) })
  let status = 0
  try {
    const { http, nats } = await startMonitor(configuration, life, log)
    log.info(`The monitor is up: ${http}/api/v1/machines, NATS at ${nats}`)
    if (withShop) await startShop(nats, config.nats.stream, machines, life)
    log.info(`Try: curl "${http}/api/v1/machines"`)
    await new Promise<void>((resolve) => {
      if (life.signal.aborted) resolve()
      life.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } catch (error) {
    if (!life.signal.aborted) {
      status = error instanceof UsageError ? 2 : 1
      log.error(sentenceOf(error))
    }
  }
  const stopped = await life.stop()
  log.info('Stopped')
  process.exit(status || stopped)
}

async function startShop(url: string, stream: string, machines: number, life: Lifecycle): Promise<void> {
  const publisher = publisherOn(await connectToNats({ url, name: 'cnc-monitor shop' }))
  life.onStop("the shop's connection", () => publisher.close())
  const running = runShop(
    publisher,
    { machines, intervalMs: 1_000, seed: 1 },
    { streamName: stream, signal: life.signal },
  )
  life.onStop('the shop', async () => void (await running))
}

function read(): ReadConfig {
  return readConfig(process.env, program.opts<{ config?: string }>().config)
}

function failed(error: unknown): number {
  say(`cnc-monitor: ${sentenceOf(error)}`)
  return error instanceof UsageError ? 2 : 1
}

await program.parseAsync()
