// The metrics of the live feed.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { liveCloseReasons, liveKinds, type LiveObserver } from './live-types.ts'

/** Declares them in `registry`; the observer feeds them. */
export function liveMetrics(registry: Registry): LiveObserver {
  const registers = [registry]
  const counterBy = (name: string, help: string, label: string, values: readonly string[]) => {
    const counter = new Counter({ name, help, labelNames: [label], registers })
    for (const value of values) counter.inc({ [label]: value }, 0)
    return counter
  }
  const clients = new Gauge({
    name: 'cnc_monitor_live_clients',
    help: 'Clients that listen live, by kind: ws (WebSocket) or sse (server-sent events).',
    labelNames: ['kind'],
    registers,
  })
  for (const kind of liveKinds) clients.set({ kind }, 0)
  const sent = counterBy(
    'cnc_monitor_live_frames_sent_total',
    'Frames written to live clients, by kind of client.',
    'kind',
    liveKinds,
  )
  const skipped = counterBy(
    'cnc_monitor_live_frames_skipped_total',
    'Frames that live clients were too slow for and did not get, by kind of client.',
    'kind',
    liveKinds,
  )
  const closed = counterBy(
    'cnc_monitor_live_clients_closed_total',
    'Live clients the monitor closed: slow (took nothing), silent (no pong), talkative (sent too much).',
    'reason',
    liveCloseReasons,
  )
  const lag = new Histogram({
    name: 'cnc_monitor_live_receipt_to_frame_seconds',
    help: "Time from the stream's receipt of a reading until it was shown live, by two machines' clocks.",
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    registers,
  })
  return {
    shown: (lagSeconds) => {
      for (const seconds of lagSeconds) lag.observe(Math.max(0, seconds))
    },
    clients: (kind, count) => clients.set({ kind }, count),
    sent: (kind, frames) => sent.inc({ kind }, frames),
    skipped: (kind, frames) => skipped.inc({ kind }, frames),
    closed: (reason) => closed.inc({ reason }),
  }
}
