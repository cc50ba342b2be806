#!/usr/bin/env node
// Starts the program on the runtime it was tested with. Plain JavaScript, so that an old Node can still say
// what is wrong. npm scripts already have the pinned Node first on their PATH; this covers every other way in.
import { spawn } from 'node:child_process'
import module from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cli = join(root, 'src', 'cli.ts')
// What Node has compiled once is kept: every command starts in half the time. A folder that cannot be written does
// no harm. Not in the temporary folder, where others could put code of theirs.
const compiled = join(root, 'node_modules', '.cache', 'cnc-monitor')
const oldestMajor = 26
// Readings live until their batch is committed: with more room for the young, fewer are copied on the way there,
// and the rest of the heap is not let grow far beyond what lives (docs/performance.md). npm's start and demo say
// the same.
const heap = ['--max-semi-space-size=32', '--heap-growing-percent=30']

if (Number(process.versions.node.split('.')[0]) >= oldestMajor) {
  module.enableCompileCache(compiled)
  await import(pathToFileURL(cli).href)
} else {
  const pinned = pinnedNode()
  if (pinned === null) {
    process.stderr.write(
      `cnc-monitor needs Node ${oldestMajor} or newer, this is ${process.version}, and no pinned one is ` +
        `installed for ${process.platform}-${process.arch}: run "npm ci" in the project's folder, or install Node ${oldestMajor}.\n`,
    )
    process.exitCode = 1
  } else {
    const child = spawn(pinned, [...heap, cli, ...process.argv.slice(2)], {
      stdio: 'inherit',
      env: { NODE_COMPILE_CACHE: compiled, ...process.env },
    })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? (signal === null ? 1 : 128)
    })
  }
}

/** The node binary of the platform package among the optional dependencies; null where npm installed none. */
function pinnedNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    const manifest = module
      .createRequire(import.meta.url)
      .resolve(`node-${platform}-${process.arch}/package.json`)
    return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  } catch {
    return null
  }
}
