// A way to a server that can be cut, as a network does it: both ends find their connection gone.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface CutProxy {
  /** The server's URL by this way. */
  readonly url: string
  /** Cuts every connection that is open now; new ones are taken again. */
  cut(): number
}

export async function withCutProxy<T>(url: string, run: (proxy: CutProxy) => Promise<T>): Promise<T> {
  const { hostname, port } = new URL(url)
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.pipe(to)
      from.on('error', () => undefined)
      from.once('close', () => {
        open.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = new URL(url)
  near.port = `${(server.address() as AddressInfo).port}`
  const cut = () => {
    const count = open.size / 2
    for (const socket of open) {
      // Node loses a socket that is reset while it is being ended, and then never exits.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
    return count
  }
  try {
    return await run({ url: near.href, cut })
  } finally {
    cut()
    server.close()
  }
}
