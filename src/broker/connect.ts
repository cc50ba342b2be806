// The connection to NATS. This folder alone knows the NATS client.
import { connect, type NatsConnection } from '@nats-io/transport-node'

export type { NatsConnection }

export interface ConnectOptions {
  /** One or more server URLs, separated by commas. */
  readonly url: string
  /** Shown by the server's own tools. */
  readonly name: string
  /** Called when the connection is lost and when it is back. */
  readonly onState?: (connected: boolean) => void
}

/** Connects once; throws at once when no server answers. Later losses are mended for ever, in the background. */
export async function connectToNats({ url, name, onState }: ConnectOptions): Promise<NatsConnection> {
  const connection = await connect({
    servers: url.split(','),
    name,
    timeout: 5_000,
    maxReconnectAttempts: -1,
    // Credentials may be mended while we wait, as everything else.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: 10_000,
    maxPingOut: 2,
  })
  if (onState) void followState(connection, onState)
  return connection
}

/** Calls `work` whenever the connection is back after a loss, until it is closed. What was asked meanwhile is lost. */
export function onReconnect(connection: NatsConnection, work: () => void): void {
  void followState(connection, (connected) => void (connected && work()))
}

async function followState(connection: NatsConnection, onState: (connected: boolean) => void): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') onState(false)
    if (status.type === 'reconnect') onState(true)
  }
}
