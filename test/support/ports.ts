// Ports that stay the same over restarts, so that clients find a server where it was.
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections: one of those may be taken at any moment. */
const FIRST = 12_000
const LAST = 32_000
const TRIES = 100

/** A port that is free now. */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    const probe = createServer().listen(port, '127.0.0.1')
    try {
      await once(probe, 'listening')
      return port
    } catch (error) {
      if ((error as { code?: string }).code !== 'EADDRINUSE' || tries === TRIES) throw error
    } finally {
      await new Promise((resolve) => probe.close(resolve))
    }
  }
}
