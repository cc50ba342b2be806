// The history in pieces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Pieces } from '../../src/store/history.ts'

const day = (n: number) => new Date(Date.UTC(2026, 0, 1 + n)).toISOString()

test('every instant lies in exactly one piece, in the order that was asked for', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(3_000), { minLength: 1, maxLength: 300 }),
      fc.constantFrom('asc' as const, 'desc' as const),
      fc.array(fc.boolean(), { minLength: 300, maxLength: 300 }),
      (days, order, much) => {
        const starts = days.map(day).sort()
        const pieces = new Pieces(starts, order)
        const found: { from: string | null; to: string | null }[] = []
        for (let piece = pieces.next(); piece !== null; piece = pieces.next()) {
          found.push(piece)
          pieces.held(much[found.length] ?? false)
        }
        if (order === 'desc') found.reverse()
        assert.equal(found[0]?.from, null)
        assert.equal(found.at(-1)?.to, null)
        found.forEach(({ to }, i) => assert.equal(to, found[i + 1]?.from ?? null))
        assert.ok(found.every(({ from, to }) => from === null || to === null || from < to))
        assert.ok(found.every(({ from }) => from === null || starts.includes(from)))
      },
    ),
  )
})

test('where little is held pieces grow, and shrink again where there is much', () => {
  const pieces = new Pieces(
    Array.from({ length: 500 }, (_, n) => day(n)),
    'asc',
  )
  const ends: (string | null | undefined)[] = []
  for (const much of [false, false, false, false, true, true]) {
    ends.push(pieces.next()?.to)
    pieces.held(much)
  }
  assert.deepEqual(ends, [1, 5, 21, 85, 149, 150].map(day))
})

test('no chunks, no pieces', () => {
  assert.equal(new Pieces([], 'asc').next(), null)
})
