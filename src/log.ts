// The log: readable lines on a terminal, one JSON object a line otherwise.
import { pino, type Logger } from 'pino'
import pretty from 'pino-pretty'

export type Log = Logger

/** Writes to standard output; `level` is one of pino's. */
export function openLog(level: string): Log {
  const options = { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }
  if (!process.stdout.isTTY) return pino(options)
  return pino(options, pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }))
}
