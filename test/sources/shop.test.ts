import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MachineModel, type Sample } from '../../src/sources/shop/machine-model.ts'
import { machineOf } from '../../src/sources/shop/makes.ts'
import { seededRandom } from '../../src/sources/shop/random.ts'
import { runShop, simulatedShop } from '../../src/sources/shop/shop.ts'
import { RecordingPublisher } from './recording-publisher.ts'

const DAY_S = 86_400
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

/** Lets a machine live for a day, a second at a time, and looks at each second beside the one before. */
function liveADay(seed: number, look: (now: Sample, before: Sample, second: number) => void): void {
  const { limits, beginning } = machineOf(seed)
  const model = new MachineModel(limits, seededRandom(seed), beginning)
  let before = model.sample()
  for (let second = 0; second < DAY_S; second++) {
    model.step(1_000)
    const now = model.sample()
    look(now, before, second)
    before = now
  }
}

test('over a day, the values of every second belong together', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const { limits } = machineOf(seed)
      liveADay(seed, (now, before, second) => {
        const isAt = (holds: boolean, rule: string) =>
          holds || assert.fail(`${rule}, second ${second}: ${JSON.stringify([before, now])}`)
        const { spindle_load_percent: load, feed_rate_actual: feed, total_power_kw: power } = now
        isAt(load >= 0 && (load === 0 || now.spindle_speed > 0), 'no load on a spindle that stands')
        isAt(now.spindle_speed >= 0 && now.spindle_speed <= limits.maxRpm, 'speed within limits')
        isAt(feed === 0 || now.machine_state === 'RUNNING', 'feed only while running')
        const isMoved = (['x_pos_mm', 'y_pos_mm', 'z_pos_mm'] as const).some(
          (axis) => now[axis] !== before[axis],
        )
        isAt(!isMoved || feed > 0, 'positions move only with a feed')
        isAt(now.x_pos_mm >= 0 && now.x_pos_mm <= limits.travel[0], 'X within its travel')
        isAt(now.y_pos_mm >= 0 && now.y_pos_mm <= limits.travel[1], 'Y within its travel')
        isAt(now.z_pos_mm <= 0 && now.z_pos_mm >= -limits.travel[2], 'Z within its travel')
        isAt(now.machine_state !== 'OFF' || (power < 0.1 && load === 0), 'off draws next to nothing')
        isAt(now.machine_state === 'OFF' || power >= 0.9, 'on draws at least what the control takes')
        const rest = power - (limits.spindleKw * load) / 100
        isAt(now.machine_state === 'OFF' || (rest >= 0.85 && rest <= 1.95), 'power follows load')
        isAt(now.temperature >= 20.9 && now.temperature < 70, 'temperature within reason')
        isAt(Math.abs(now.temperature - before.temperature) <= 0.2, 'temperature has no jumps')
        isAt(
          (now.machine_state === 'ALARM') === now.alarms.some((a) => a.severity === 'fault'),
          'alarm is a fault',
        )
      })
    }),
    { numRuns: 6 },
  )
})

test('over a day, the part counter rises by one for each finished cycle, and every state occurs', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const states = new Set<string>()
      let parts = 0
      let linesSincePart = new Set<number>()
      liveADay(seed, (now, before, second) => {
        states.add(now.machine_state)
        if (now.part_count !== before.part_count) {
          assert.equal(now.part_count, before.part_count + 1)
          assert.equal(before.machine_state, 'RUNNING', `second ${second}`)
          assert.equal(now.machine_state, 'IDLE', `second ${second}`)
          // The first cycle may have been under way when the day began.
          if (parts > 0) assert.ok(linesSincePart.size > 20, `a cycle of ${linesSincePart.size} blocks`)
          parts++
          linesSincePart = new Set()
        } else if (before.machine_state === 'RUNNING' && now.machine_state === 'IDLE') {
          assert.fail(`a cycle ended without a part, second ${second}`)
        } else if (now.machine_state === 'RUNNING') {
          linesSincePart.add(now.active_program_line)
        }
      })
      assert.deepEqual([...states].sort(), ['ALARM', 'FEED_HOLD', 'IDLE', 'OFF', 'RUNNING'])
      assert.ok(parts > 50 && parts < 800, `${parts} parts`)
    }),
    { numRuns: 4 },
  )
})

test('the same seed gives the same readings, another seed others', () => {
  const report = (seed: number) => {
    const shop = simulatedShop({ machines: 5, seed, speed: 10 })
    const times = Array.from({ length: 200 }, (_, i) => 1_700_000_000_000 + i * 1_000)
    return JSON.stringify(times.map((atMs) => shop.map((machine) => machine.reading(atMs))))
  }
  fc.assert(
    fc.property(seeds, (seed) => {
      assert.equal(report(seed), report(seed))
      assert.notEqual(report(seed), report(seed + 1))
    }),
    { numRuns: 10 },
  )
})

test('a shop has eight machines of different makes by default, one of which tells little', () => {
  const readings = simulatedShop({ seed: 1 }).map((machine) => machine.reading(0))
  assert.deepEqual(
    readings.map((reading) => reading.machine_id),
    ['DMG-01', 'HAAS-02', 'MAZAK-03', 'OKUMA-04', 'MAKINO-05', 'HERMLE-06', 'DOOSAN-07', 'BROTHER-08'],
  )
  assert.equal(new Set(readings.map((reading) => reading.machine_state)).size, 5)
  assert.deepEqual(
    readings.filter((reading) => reading.temperature === undefined).map((reading) => reading.machine_id),
    ['OKUMA-04'],
  )
})

test('a running shop publishes on a subject per machine until it is told to stop', async () => {
  const publisher = new RecordingPublisher()
  const stopping = new AbortController()
  const result = await runShop(
    publisher,
    { machines: 3, intervalMs: 5, seed: 1 },
    {
      streamName: 'CNC_DATA',
      signal: stopping.signal,
      onPublished: (published) => published >= 60 && stopping.abort(),
    },
  )
  assert.deepEqual(result, { published: publisher.messages.length, refused: 0 })
  assert.ok(result.published >= 60 && result.published < 70)
  const seen = new Set<string>()
  for (const { subject, payload } of publisher.messages) {
    const { machine_id: id, timestamp } = JSON.parse(payload) as { machine_id: string; timestamp: string }
    assert.equal(subject, `CNC_DATA.${id}`)
    seen.add(`${id} ${timestamp}`)
  }
  assert.equal(seen.size, result.published, 'no machine reports the same instant twice')
})

test('a shop survives a publisher that fails, says so at most once a second, and counts', async () => {
  const publisher = new RecordingPublisher((count) => count > 40 && count <= 80)
  const stopping = new AbortController()
  const sentences: string[] = []
  const result = await runShop(
    publisher,
    { machines: 4, intervalMs: 2, seed: 1 },
    {
      streamName: 'CNC_DATA',
      signal: stopping.signal,
      onPublished: (published) => published >= 100 && stopping.abort(),
      onRefused: (sentence) => sentences.push(sentence),
    },
  )
  assert.equal(result.refused, 40)
  assert.ok(result.published >= 100)
  assert.deepEqual(sentences, ['A reading was not taken: no responders'])
})

test('a shop whose readings are never answered stops sending at a bound', async () => {
  const stopping = new AbortController()
  const answers: (() => void)[] = []
  const publisher = {
    publish: () => new Promise<void>((resolve) => answers.push(resolve)),
    close: async () => {},
  }
  const run = runShop(
    publisher,
    { machines: 200, intervalMs: 1, seed: 1 },
    {
      streamName: 'CNC_DATA',
      signal: stopping.signal,
      onRefused: () => {
        stopping.abort()
        for (const answer of answers) answer()
      },
    },
  )
  const { published, refused } = await run
  assert.equal(published, 1_000)
  assert.ok(refused > 0)
})
