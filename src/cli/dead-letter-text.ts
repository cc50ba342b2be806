// Dead letters as text for a person.
import type { DeadLetter, DeadLetterWithReplays, Replay } from '../web/dead-letter-contract.ts'

const columns = [
  { title: 'ID', width: 8, of: (letter: DeadLetter) => letter.id },
  { title: 'RECEIVED', width: 24, of: (letter: DeadLetter) => letter.received_at },
  { title: 'STATE', width: 7, of: (letter: DeadLetter) => letter.state },
  { title: 'CODE', width: 19, of: (letter: DeadLetter) => letter.code },
  { title: 'MACHINE', width: 16, of: (letter: DeadLetter) => letter.machine_id ?? '-' },
  { title: 'REASON', width: 0, of: (letter: DeadLetter) => letter.reason },
]

/** A line for the titles and one for each; `width`: of the terminal, which lines do not pass. */
export function deadLetterTable(letters: readonly DeadLetter[], width: number): string[] {
  const line = (cells: readonly string[]) => {
    const padded = cells.map((cell, i) =>
      visible(cell)
        .replace(/\s/g, ' ')
        .padEnd(columns[i]?.width ?? 0),
    )
    return padded.join('  ').slice(0, width).toWellFormed()
  }
  return [
    line(columns.map(({ title }) => title)),
    ...letters.map((letter) => line(columns.map(({ of }) => of(letter)))),
  ]
}

/** Everything about one, its payload last. */
export function deadLetterPage({ replays, payload, ...letter }: DeadLetterWithReplays): string[] {
  const place = letter.in_array ? `element ${letter.position} of its array` : 'the whole message'
  const fields: [string, string][] = [
    ['id', letter.id],
    ['state', letter.stored_at === null ? letter.state : `${letter.state} at ${letter.stored_at}`],
    ['code', letter.code],
    ['reason', letter.reason],
    ['machine', letter.machine_id ?? '-'],
    ['subject', letter.subject],
    ['message', `${letter.stream} ${letter.sequence}, ${place}`],
    ['received', letter.received_at],
    ['recorded', letter.recorded_at],
    ['more', letter.more === 0 ? '-' : `stands for ${letter.more} further readings of the message`],
    ['payload', `${letter.payload_bytes} bytes, ${letter.payload_encoding}`],
  ]
  return [
    ...fields.map(([name, value]) => `${name.padEnd(9)} ${visible(value)}`),
    ...replays.map((replay) => `replay    ${visible(replayLine(replay))}`),
    '',
    visible(payload),
  ]
}

function replayLine(replay: Replay): string {
  const what = replay.corrected === null ? 'as it is' : `corrected (${replay.corrected.payload_bytes} bytes)`
  return `${replay.requested_at} by ${replay.requested_by ?? 'somebody'}, ${what}: ${outcomeText(replay)}`
}

export function outcomeText({
  outcome,
  outcome_reason: reason,
}: Pick<Replay, 'outcome' | 'outcome_reason'>): string {
  return reason === null ? outcome : `${outcome}, ${reason}`
}

/** What a machine sent may hold what a terminal obeys: it is shown instead. */
export function visible(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
