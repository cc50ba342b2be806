#!/usr/bin/env node
// Starts the program on the runtime it was tested with, with the heap it was measured with. Plain JavaScript, so that
// an old Node can still say what is wrong. npm scripts already have the pinned Node first on their PATH; this covers
// every other way in.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const cli = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'cli.ts')
const oldestMajor = 26
// Readings live until their batch is committed: with more room for the young, fewer are copied on the way there,
// and the rest of the heap is not let grow far beyond what lives (docs/performance.md). V8 takes the sizes of a heap
// only where it begins, so a running Node begins anew with them.
const heap = require('./heap-flags.json')

const isNewEnough = Number(process.versions.node.split('.')[0]) >= oldestMajor
if (isNewEnough && heap.every((flag) => process.execArgv.includes(flag))) {
  await import(pathToFileURL(cli).href)
} else {
  const node = isNewEnough ? process.execPath : pinnedNode()
  if (node === null) {
    process.stderr.write(
      `cnc-monitor needs Node ${oldestMajor} or newer, this is ${process.version}, and no pinned one is ` +
        `installed for ${process.platform}-${process.arch}: run "npm ci" in the project's folder, or install Node ${oldestMajor}.\n`,
    )
    process.exitCode = 1
  } else {
    begin(node, [...(isNewEnough ? process.execArgv : []), ...heap, cli, ...process.argv.slice(2)])
  }
}

/** In the place of this process where the system can do so; else as its child, which gets its signals. */
function begin(node, args) {
  if (process.platform !== 'win32' && typeof process.execve === 'function') {
    process.execve(node, [node, ...args], process.env)
  }
  const child = spawn(node, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128)
  })
}

/** The node binary of the platform package among the optional dependencies; null where npm installed none. */
function pinnedNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    const manifest = require.resolve(`node-${platform}-${process.arch}/package.json`)
    return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  } catch {
    return null
  }
}
