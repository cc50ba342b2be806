// Watches the machines for a while, then exports the readings of one to a file (.csv, or .ndjson):
//   node examples/node/watch-and-export.js http://localhost:8081 CNC-001 readings.csv [seconds]
// Needs no packages; Node 22 or newer.
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const [monitor = 'http://localhost:8081', machine = 'CNC-001', file = 'readings.csv', seconds = '5'] =
  process.argv.slice(2)

await watch(Number(seconds) * 1_000)
await exportTo(file)

/** Prints each frame of the live feed as it comes, for so many milliseconds. */
async function watch(ms) {
  const socket = new WebSocket(new URL('/ws/machines', monitor.replace(/^http/, 'ws')))
  const closed = new Promise((resolve, reject) => {
    socket.addEventListener('close', resolve)
    socket.addEventListener('error', () => reject(new Error(`No live feed at ${socket.url}`)))
  })
  socket.addEventListener('message', ({ data: text }) => {
    const { type, data } = JSON.parse(text)
    if (type === 'sensor_data') console.log(data.timestamp, data.machine_id, data.machine_state ?? '')
    else console.log(text)
  })
  const limit = setTimeout(() => socket.close(), ms)
  await closed.finally(() => clearTimeout(limit))
}

/** However many there are: they go from the monitor to the file in small pieces. */
async function exportTo(path) {
  const url = new URL(`/api/v1/machines/${encodeURIComponent(machine)}/data`, monitor)
  url.searchParams.set('format', path.endsWith('.csv') ? 'csv' : 'ndjson')
  const response = await fetch(url)
  if (!response.ok) throw new Error((await response.json()).detail)
  await pipeline(Readable.fromWeb(response.body), createWriteStream(path))
  console.log(`The readings of ${machine} are in ${path}.`)
}
