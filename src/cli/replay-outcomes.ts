// Waiting for what becomes of replays, bounded: asked for in few requests, however many there are.
import { setTimeout as sleep } from 'node:timers/promises'
import type { DeadLetter, DeadLetterWithReplays, Replay } from '../web/dead-letter-contract.ts'
import type { MonitorApi } from './monitor-api.ts'

export type SettledReplay = Pick<Replay, 'id' | 'dead_letter_id' | 'outcome' | 'outcome_reason'>

/** Dead letters asked about in one request: their ids stand in its address. */
const CHUNK = 100
const PAUSE_MS = 250

/**
 * Resolves to the replays with what became of them; "pending" stays where nothing did for `waitMs` on end.
 * `onSettled` is told how many are settled.
 */
export async function outcomesOf(
  api: MonitorApi,
  replays: readonly SettledReplay[],
  waitMs: number,
  onSettled: (count: number) => void = () => {},
): Promise<SettledReplay[]> {
  const settled = new Map<string, SettledReplay>()
  for (let quietSinceMs = Date.now(); Date.now() - quietSinceMs < waitMs;) {
    const open = replays.filter(({ id }) => !settled.has(id))
    if (open.length === 0) break
    for (let i = 0; i < open.length; i += CHUNK) {
      for (const replay of await stateOf(api, open.slice(i, i + CHUNK))) {
        if (replay.outcome === 'pending') continue
        settled.set(replay.id, replay)
        quietSinceMs = Date.now()
      }
    }
    onSettled(settled.size)
    if (settled.size < replays.length) await sleep(PAUSE_MS)
  }
  return replays.map((replay) => settled.get(replay.id) ?? replay)
}

async function stateOf(api: MonitorApi, replays: readonly SettledReplay[]): Promise<SettledReplay[]> {
  const ids = replays.map((replay) => replay.dead_letter_id).join(',')
  const { body } = await api.get(`/api/v1/dead-letters?limit=${CHUNK}&ids=${ids}`)
  const byId = new Map((body as DeadLetter[]).map((letter) => [letter.id, letter]))
  return Promise.all(
    replays.map(async (replay) => {
      const last = byId.get(replay.dead_letter_id)?.last_replay
      if (last?.id === replay.id) return { ...replay, ...last }
      if (last === undefined || last === null) return replay
      // Somebody asked for another replay meanwhile.
      const { body } = await api.get(`/api/v1/dead-letters/${replay.dead_letter_id}`)
      return (body as DeadLetterWithReplays).replays.find(({ id }) => id === replay.id) ?? replay
    }),
  )
}
