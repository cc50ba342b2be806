// A progress bar on a terminal; nothing where there is none, so that logs stay readable.
import { Presets, SingleBar } from 'cli-progress'

export interface ProgressBar {
  update(done: number, total?: number): void
  /** May be called twice. */
  stop(): void
}

export function openProgressBar(name: string, total: number): ProgressBar {
  const format = `${name} {bar} {percentage}% | {value} of {total} | {eta_formatted} left`
  const bar = new SingleBar(
    { format, hideCursor: true, noTTYOutput: false, stream: process.stderr },
    Presets.rect,
  )
  bar.start(total, 0)
  return {
    update(done, newTotal) {
      if (newTotal !== undefined && newTotal !== bar.getTotal()) bar.setTotal(newTotal)
      bar.update(done)
    },
    stop: () => bar.stop(),
  }
}
