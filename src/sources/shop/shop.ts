// The simulated shop: machines that publish their readings at their interval, until they are told to stop.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../../errors.ts'
import type { Publisher } from '../../pipeline-types.ts'
import { subjectOf } from '../subject.ts'
import { machineModel, type MachineModel } from './machine-model.ts'

export interface ShopOptions {
  readonly machines: number
  /** Between two readings of a machine, in milliseconds. */
  readonly intervalMs: number
  /** Same seed, same shop. */
  readonly seed: number
}

export interface ShopRun {
  readonly streamName: string
  readonly signal: AbortSignal
  /** Told at most once a second that readings are not taken. */
  readonly onRefused?: (sentence: string) => void
}

const makes = ['DMG', 'HAAS', 'MAZAK', 'OKUMA', 'DOOSAN', 'FANUC', 'HURCO', 'GROB'] as const
/** Readings that may wait for their acknowledgement; beyond it they are not sent, and counted as refused. */
const IN_FLIGHT = 1_000

export function simulatedShop({ machines, seed }: ShopOptions): MachineModel[] {
  return Array.from({ length: machines }, (_, i) => {
    const make = makes[i % makes.length] ?? 'CNC'
    const number = String(Math.floor(i / makes.length) + 1).padStart(2, '0')
    return machineModel(`${make}-${number}`, seed * 1_000 + i)
  })
}

/** Publishes until `signal` aborts. A refused reading is counted and the shop goes on, as machines do. */
export async function runShop(
  publisher: Publisher,
  options: ShopOptions,
  { streamName, signal, onRefused }: ShopRun,
): Promise<{ published: number; refused: number }> {
  const shop = simulatedShop(options)
  const inFlight = new Set<Promise<void>>()
  let published = 0
  let refused = 0
  let saidAtMs = -Infinity

  const refuse = (error: unknown) => {
    refused++
    if (Date.now() - saidAtMs < 1_000) return
    saidAtMs = Date.now()
    onRefused?.(sentenceOf(error))
  }
  const publish = async (machine: MachineModel) => {
    try {
      const payload = JSON.stringify(machine.reading(Date.now()))
      await publisher.publish(subjectOf(streamName, machine.id), payload)
      published++
    } catch (error) {
      refuse(error)
    }
  }
  const run = async (machine: MachineModel, i: number) => {
    await sleep((options.intervalMs * i) / shop.length, undefined, { signal })
    for (let next = performance.now(); ; ) {
      machine.step(options.intervalMs / 1_000)
      if (inFlight.size >= IN_FLIGHT) refuse(new Error(`${IN_FLIGHT} readings wait for their acknowledgement`))
      else {
        const publishing: Promise<void> = publish(machine).finally(() => inFlight.delete(publishing))
        inFlight.add(publishing)
      }
      next = Math.max(next + options.intervalMs, performance.now() - options.intervalMs)
      await sleep(Math.max(0, next - performance.now()), undefined, { signal })
    }
  }
  await Promise.allSettled(shop.map(run))
  await Promise.all(inFlight)
  return { published, refused }
}
