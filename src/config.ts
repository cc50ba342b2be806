// The configuration: one schema, one reader. Order: defaults, then a YAML file, then environment variables.
//
// Invariant: what `readConfig` returns has been checked as a whole; nothing else reads the environment. A bad
// value stops the start and names where it came from, the value and what is allowed.
import { existsSync, readFileSync } from 'node:fs'
import { Type, type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { parse } from 'yaml'
import { UsageError } from './errors.ts'

const port = (env: string, value: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65_535, default: value, env, description })
const count = (env: string, value: number, maximum: number, description: string) =>
  Type.Integer({ minimum: 1, maximum, default: value, env, description })
const text = (env: string, value: string, description: string) =>
  Type.String({ minLength: 1, default: value, env, description })
const name = (env: string, value: string, description: string) =>
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', default: value, env, description })
const url = (env: string, protocols: string, description: string) =>
  Type.Union([Type.Null(), Type.String({ pattern: `^(${protocols})://` })], {
    default: null,
    env,
    description,
  })

const ORIGINS = '^(http|https)://[^\\s,/]+(,(http|https)://[^\\s,/]+)*$'

/** Every setting: its place in the YAML file is its path here. Units are in the names. */
export const configSchema = Type.Object({
  http: Type.Object({
    host: text('HTTP_HOST', '127.0.0.1', 'address the API listens on'),
    port: port('HTTP_PORT', 8081, 'port of the API; 0 takes any free one'),
  }),
  nats: Type.Object({
    url: url('NATS_URL', 'nats|tls', 'NATS server, or several separated by commas; absent: embedded'),
    port: port('NATS_PORT', 4222, 'port of the embedded NATS server; 0 takes any free one'),
    stream: name('STREAM_NAME', 'CNC_DATA', 'JetStream stream; machines publish below <stream>.'),
    consumer: name('CONSUMER_NAME', 'PROCESSOR', 'durable pull consumer that all monitors share'),
    streamMaxBytes: count(
      'STREAM_MAX_BYTES',
      10 * 2 ** 30,
      2 ** 50,
      'bytes the stream may hold; beyond it publishers are refused, nothing is dropped',
    ),
  }),
  database: Type.Object({
    url: url('DATABASE_URL', 'postgres|postgresql', 'TimescaleDB server; absent: embedded'),
    port: port('DATABASE_PORT', 5432, 'port of the embedded database; 0 takes any free one'),
    poolSize: count('DATABASE_POOL_SIZE', 8, 100, 'connections for the API and jobs'),
    diskBytes: Type.Union([Type.Null(), Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })], {
      default: null,
      env: 'DATABASE_DISK_BYTES',
      description:
        'bytes the database may take, for the forecast of /api/v1/storage; absent: not known of a server',
    }),
    statementTimeoutMs: count('STATEMENT_TIMEOUT_MS', 30_000, 600_000, 'longest a statement may run'),
  }),
  ingest: Type.Object({
    batchMessages: count('BATCH_MAX_MESSAGES', 4_096, 50_000, 'messages in a batch at most'),
    batchReadings: count('BATCH_MAX_READINGS', 10_000, 100_000, 'readings in a batch at which it is cut'),
    batchBytes: count('BATCH_MAX_BYTES', 8 * 2 ** 20, 2 ** 28, 'payload bytes in a batch at which it is cut'),
    batchAgeMs: count('BATCH_MAX_AGE_MS', 20, 10_000, 'longest a reading waits for its batch to fill'),
    batchesInFlight: count('BATCHES_IN_FLIGHT', 2, 16, 'batches being written at once'),
    prefetchMessages: count('PREFETCH_MESSAGES', 4_096, 100_000, 'messages fetched ahead of decoding'),
    prefetchBytes: count('PREFETCH_BYTES', 16 * 2 ** 20, 2 ** 30, 'bytes fetched ahead of decoding'),
    monitors: count('MONITORS', 4, 64, 'monitors that may share the consumer; sizes max_ack_pending'),
  }),
  limits: Type.Object({
    payloadBytes: count('MAX_PAYLOAD_BYTES', 2 ** 20, 64 * 2 ** 20, 'bytes of a message at most'),
    readings: count('MAX_READINGS', 2_000, 100_000, 'readings in a message at most'),
    deadLettersPerMessage: count(
      'MAX_DEAD_LETTERS_PER_MESSAGE',
      100,
      100_000,
      'dead letters kept of one message; the last one counts the rest',
    ),
    futureMs: Type.Integer({
      minimum: 0,
      default: 3_600_000,
      env: 'MAX_FUTURE_MS',
      description: 'how far a timestamp may lie after the time of receipt',
    }),
  }),
  retention: Type.Object({
    rawDays: Type.Integer({
      minimum: 0,
      maximum: 36_500,
      default: 90,
      env: 'RETENTION_DAYS',
      description: 'days that raw readings are kept; 0 keeps them for ever',
    }),
    deadLetterDays: Type.Integer({
      minimum: 0,
      maximum: 36_500,
      default: 90,
      env: 'DEAD_LETTER_RETENTION_DAYS',
      description: 'days that dead letters are kept, from the last replay on; 0 keeps them for ever',
    }),
  }),
  live: Type.Object({
    rate: count('LIVE_RATE', 5, 50, 'frames of a machine a second that live clients get at most'),
    maxClients: count('LIVE_MAX_CLIENTS', 1_000, 20_000, 'clients that may listen live at once'),
    origins: Type.Union([Type.Null(), Type.String({ pattern: ORIGINS })], {
      default: null,
      env: 'LIVE_ORIGINS',
      description: "origins whose pages may listen and read besides the monitor's own, separated by commas",
    }),
  }),
  stateDir: text('STATE_DIR', '.cnc-monitor', 'folder of the embedded servers'),
  startTimeoutMs: count('START_TIMEOUT_MS', 60_000, 86_400_000, 'how long to wait for servers at the start'),
  shutdownTimeoutMs: count('SHUTDOWN_TIMEOUT_MS', 20_000, 600_000, 'how long a graceful stop may take'),
  logLevel: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level)),
    { default: 'info', env: 'LOG_LEVEL', description: 'trace, debug, info, warn or error' },
  ),
})

export type Config = Static<typeof configSchema>

/** A setting as the documents and `readConfig` see it. */
export interface Setting {
  /** Place in the YAML file, such as `http.port`. */
  readonly path: string
  readonly env: string
  readonly description: string
  readonly default: string | number | null
  readonly schema: TSchema
}

/** Every setting, in the order of the schema. */
export function settings(schema: TSchema = configSchema, prefix = ''): Setting[] {
  const properties = (schema as { properties?: Record<string, TSchema> }).properties ?? {}
  return Object.entries(properties).flatMap(([key, child]) => {
    const leaf = child as TSchema & { env?: string; description?: string; default?: string | number | null }
    const path = `${prefix}${key}`
    if (leaf.env === undefined) return settings(child, `${path}.`)
    return [
      {
        path,
        env: leaf.env,
        description: leaf.description ?? '',
        default: leaf.default ?? null,
        schema: child,
      },
    ]
  })
}

export interface ReadConfig {
  readonly config: Config
  /** Paths of the settings that somebody set, as opposed to defaults. */
  readonly explicit: ReadonlySet<string>
}

/**
 * Reads the configuration. `file` is named by the user and must exist; without it configs/config.yaml is read
 * where there is one. Throws UsageError.
 */
export function readConfig(env: NodeJS.ProcessEnv, file?: string): ReadConfig {
  const fromFile = readYaml(file)
  const known = settings()
  const config: Record<string, unknown> = {}
  const explicit = new Set<string>()
  const problems = unknownNames(fromFile.values, known, fromFile.path)
  for (const setting of known) {
    const inFile = lookUp(fromFile.values, setting.path)
    const inEnv = env[setting.env]
    let value: unknown = setting.default
    const isInEnv = inEnv !== undefined && inEnv !== ''
    if (isInEnv) value = Value.Convert(setting.schema, inEnv)
    else if (inFile !== undefined) value = inFile
    if (isInEnv || inFile !== undefined) explicit.add(setting.path)
    if (!Value.Check(setting.schema, value)) {
      const from = isInEnv ? setting.env : `${setting.path} in ${fromFile.path}`
      problems.push(`${from} is ${JSON.stringify(inEnv ?? value)}: allowed is ${allowed(setting.schema)}`)
    }
    assign(config, setting.path, value)
  }
  if (problems.length > 0) throw new UsageError(`The configuration is wrong.\n  ${problems.join('\n  ')}`)
  return { config: config as Config, explicit }
}

/** What a schema allows, in words. */
export function allowed(schema: TSchema): string {
  const s = schema as {
    type?: string
    pattern?: string
    minimum?: number
    maximum?: number
    anyOf?: TSchema[]
  }
  if (s.anyOf) return s.anyOf.map((one) => ('const' in one ? String(one.const) : allowed(one))).join(' or ')
  if (s.type === 'null') return 'nothing'
  if (s.type === 'integer') {
    return s.maximum === undefined
      ? `a whole number from ${s.minimum}`
      : `a whole number from ${s.minimum} to ${s.maximum}`
  }
  if (s.pattern?.startsWith('^('))
    return `a URL that begins with ${s.pattern.slice(2, s.pattern.indexOf(')')).replaceAll('|', ':// or ')}://`
  return s.pattern === undefined ? 'a text' : 'letters, digits, "_" and "-", 64 at most'
}

function readYaml(file: string | undefined): { path: string; values: unknown } {
  const path = file ?? 'configs/config.yaml'
  if (file === undefined && !existsSync(path)) return { path, values: {} }
  try {
    return { path, values: parse(readFileSync(path, 'utf8')) ?? {} }
  } catch (error) {
    throw new UsageError(`The configuration file ${path} cannot be read: ${(error as Error).message}`)
  }
}

function unknownNames(values: unknown, known: readonly Setting[], file: string, prefix = ''): string[] {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    return [
      `${file}: ${prefix === '' ? 'the file' : prefix.slice(0, -1)} must be a mapping of names to values`,
    ]
  }
  return Object.entries(values).flatMap(([key, value]) => {
    const path = `${prefix}${key}`
    if (known.some((setting) => setting.path === path)) return []
    if (known.some((setting) => setting.path.startsWith(`${path}.`))) {
      return unknownNames(value, known, file, `${path}.`)
    }
    return [`${file}: ${path} is not a setting; docs/configuration.md lists them`]
  })
}

function lookUp(values: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], values)
}

function assign(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() ?? path
  let at = target
  for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>
  at[last] = value
}
