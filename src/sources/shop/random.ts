// Chance that can be repeated: the same seed gives the same numbers, on every machine.

export interface Random {
  /** From 0 to below 1. */
  next(): number
  /** From `low` to below `high`. */
  between(low: number, high: number): number
  /** Whole, from `low` to `high`. */
  whole(low: number, high: number): number
  /** Waiting time of something that happens every `mean` on average, whenever asked. */
  waiting(mean: number): number
  oneOf<T>(list: readonly [T, ...T[]]): T
}

/** Mulberry32 (Tommy Ettinger, public domain). */
export function seededRandom(seed: number): Random {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole: (low, high) => low + Math.floor(next() * (high - low + 1)),
    waiting: (mean) => -mean * Math.log(1 - next()),
    oneOf: (list) => list[Math.floor(next() * list.length)] ?? list[0],
  }
}
