/*
 * Makes a new database folder, whole or not at all.
 *
 * Invariant: the folder appears under its name only when it is finished and on the disk. A process killed
 * half-way leaves `<folder>.new` behind, which the next start throws away; nothing half-made is ever opened.
 */
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { syncDirectory, syncTree } from './durable-files.ts'
import { Engine } from './engine.ts'

/** The PostgreSQL major version whose folders this engine reads. */
const MAJOR_VERSION = '17'

/**
 * Whether the folder already holds a database.
 * Throws an Error with a sentence when it holds something else, or a database of another version.
 */
export function holdsDatabase(folder: string): boolean {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return false
  const versionFile = join(folder, 'PG_VERSION')
  if (!existsSync(versionFile))
    throw new Error(
      `The folder ${folder} is not empty and holds no database; choose another one or empty it.`,
    )
  const version = readFileSync(versionFile, 'utf8').trim()
  if (version !== MAJOR_VERSION)
    throw new Error(
      `The folder ${folder} holds a database of PostgreSQL ${version}; this program reads PostgreSQL ${MAJOR_VERSION}.`,
    )
  return true
}

/** Makes the database; about two seconds. The caller holds the folder's lock. */
export async function createDatabase(folder: string): Promise<void> {
  const unfinished = `${folder}.new`
  rmSync(unfinished, { recursive: true, force: true })
  const engine = await Engine.open(unfinished, { durable: false })
  await engine.close()
  syncTree(unfinished)
  if (existsSync(folder)) rmdirSync(folder)
  renameSync(unfinished, folder)
  syncDirectory(dirname(folder))
}
