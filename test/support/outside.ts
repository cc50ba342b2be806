// What can be seen of a running monitor and its stream from outside.
import { jetstreamManager } from '@nats-io/jetstream'
import { connectToNats, type NatsConnection } from '../../src/broker/connect.ts'
import { until } from './monitor.ts'

export interface Ready {
  readonly status: number
  readonly checks: Readonly<Record<string, { readonly ok: boolean }>>
}

/** What /readyz says; null when nobody answers. */
export async function readyOf(http: string): Promise<Ready | null> {
  try {
    const response = await fetch(`${http}/readyz`, { signal: AbortSignal.timeout(2_000) })
    const { checks } = (await response.json()) as Pick<Ready, 'checks'>
    return { status: response.status, checks }
  } catch {
    return null
  }
}

/** Waits until /readyz says 200, or 503 because of this server. */
export async function untilReady(http: string, missing: 'database' | 'broker' | null = null): Promise<void> {
  await until(`/readyz ${missing === null ? 'says 200' : `names the ${missing}`}`, async () => {
    const ready = await readyOf(http)
    return missing === null
      ? ready?.status === 200
      : ready?.status === 503 && ready.checks[missing]?.ok === false
  })
}

export async function withConnection<T>(
  natsUrl: string,
  run: (connection: NatsConnection) => Promise<T>,
): Promise<T> {
  const connection = await connectToNats({ url: natsUrl, name: 'test' })
  try {
    return await run(connection)
  } finally {
    await connection.close()
  }
}

/** Waits until the stream is empty: everything in it is answered, also what nobody is being sent. */
export async function untilEmpty(natsUrl: string): Promise<void> {
  await withConnection(natsUrl, async (connection) => {
    const manager = await jetstreamManager(connection)
    await until(
      'the stream is empty',
      async () => (await manager.streams.info('CNC_DATA').catch(() => null))?.state.messages === 0,
      120_000,
    )
  })
}
