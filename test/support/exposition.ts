// Prometheus' text form, read strictly: what is not exactly as the format says throws.
// (https://prometheus.io/docs/instrumenting/exposition_formats/)

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly samples: readonly Sample[]
}

export interface Sample {
  /** With the suffixes of histograms: `_bucket`, `_sum`, `_count`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Every family of a page, in its order. */
export function parseExposition(text: string): Family[] {
  if (!text.endsWith('\n')) throw new Error('The last line has no end.')
  const families: (Family & { samples: Sample[] })[] = []
  let help: { name: string; text: string } | null = null
  for (const line of text.split('\n')) {
    if (line === '') continue
    const declared = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    const [, kind, name = '', rest = ''] = declared ?? []
    if (kind === 'HELP') {
      help = { name, text: rest }
    } else if (kind === 'TYPE') {
      if (help?.name !== name) throw new Error(`${name} has no HELP before its TYPE.`)
      if (families.some((family) => family.name === name)) throw new Error(`${name} is declared twice.`)
      families.push({ name, help: help.text, type: rest, samples: [] })
    } else {
      const sample = parseSample(line)
      const family = families.at(-1)
      const belongs =
        family?.type === 'histogram' ? /^(.+)_(bucket|sum|count)$/.exec(sample.name)?.[1] : sample.name
      if (family === undefined || belongs !== family.name)
        throw new Error(`A sample outside its family: ${line}`)
      family.samples.push(sample)
    }
  }
  return families
}

function parseSample(line: string): Sample {
  const [, name = '', labelText = '', value = ''] =
    /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
  const pairs = [...labelText.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)]
  const isWhole = pairs.map(([pair]) => pair).join('') === labelText
  const number = { '+Inf': Infinity, '-Inf': -Infinity, Nan: NaN, NaN }[value] ?? Number(value)
  if (name === '' || !isWhole || (Number.isNaN(number) && !/^nan$/i.test(value))) {
    throw new Error(`No sample: ${line}`)
  }
  return {
    name,
    labels: Object.fromEntries(pairs.map(([, label = '', text = '']) => [label, text])),
    value: number,
  }
}

/** The value of one series; undefined when it is not there. The labels must be exactly these. */
export function valueOf(
  families: readonly Family[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const names = Object.keys(labels)
  return families
    .flatMap((family) => family.samples)
    .find(
      (sample) =>
        sample.name === name &&
        Object.keys(sample.labels).length === names.length &&
        names.every((label) => sample.labels[label] === labels[label]),
    )?.value
}

/** Values of all series of a name that have one label, by that label; zeros left out. */
export function nonZeroBy(
  families: readonly Family[],
  name: string,
  label: string,
): Readonly<Record<string, number>> {
  const samples = families.flatMap((family) => family.samples).filter((sample) => sample.name === name)
  return Object.fromEntries(
    samples.filter(({ value }) => value !== 0).map(({ labels, value }) => [labels[label] ?? '', value]),
  )
}
