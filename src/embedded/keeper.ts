// Keeps one server for its owner: `node keeper.ts COMMAND ARG...`. A server such as nats-server does not
// notice that its owner is gone; the keeper does, because its standard input ends, and then ends the server.
//
// Invariant: the server does not outlive the keeper's input, SIGTERM to the keeper, or the keeper's own end
// in good order. Ctrl-C in a terminal is not for it: the owner stops it last.
import { spawn } from 'node:child_process'

const KILL_AFTER_MS = 5_000

const [command = '', ...args] = process.argv.slice(2)
const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })

const stop = () => {
  child.kill('SIGTERM')
  setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref()
}
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)
process.on('SIGTERM', stop)
process.stdin.on('error', stop).on('end', stop).resume()
child.on('error', (error) => {
  process.stderr.write(`${command} could not be started: ${error.message}\n`)
  process.exit(127)
})
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
