// Writes the documents that are made from the code; with --check it says whether they are what it would write.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { allowed, settings } from '../src/config.ts'
import { readingFields } from '../src/reading.ts'
import { dashboard } from './dashboard.ts'
import { metricsPage } from './metrics-page.ts'

const root = join(import.meta.dirname, '..')

function configurationPage(): string {
  const rows = settings().map(({ env, path, default: value, schema, description }) => {
    const shown = value === null ? 'none' : `\`${value}\``
    return `| \`${env}\` | \`${path}\` | ${shown} | ${allowed(schema)} | ${description.replaceAll('<', '\\<')} |`
  })
  return [
    '# Configuration',
    'Order: defaults, then a YAML file (`configs/config.yaml` where there is one, or `--config FILE`), then environment ' +
      'variables. A bad value stops the start and names the variable, the value and what is allowed. This page is ' +
      'made from `src/config.ts` by `npm run docs`.',
    '',
    '| environment | YAML | default | allowed | meaning |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

function wireFormatPage(current: string): string {
  const rows = readingFields.map(
    ({ name, kind, unit, meaning }) => `| \`${name}\` | ${kind} | ${unit ?? ''} | ${meaning} |`,
  )
  const table = ['| field | kind | unit | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n')
  const [before, rest = ''] = current.split('<!-- fields -->')
  const [, after = ''] = rest.split('<!-- /fields -->')
  return `${before}<!-- fields -->\n\n${table}\n\n<!-- /fields -->${after}`
}

const wireFormat = join(root, 'docs/wire-format.md')
const pages = {
  [join(root, 'docs/configuration.md')]: configurationPage(),
  [wireFormat]: wireFormatPage(readFileSync(wireFormat, 'utf8')),
  [join(root, 'docs/metrics.md')]: await metricsPage(),
  [join(root, 'deploy/grafana/cnc-monitor.json')]: JSON.stringify(dashboard()),
}
for (const [path, text] of Object.entries(pages)) {
  const formatted = await format(text, { filepath: path, ...(await resolveConfig(path)) })
  if (!process.argv.includes('--check')) writeFileSync(path, formatted)
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== formatted) {
    process.stderr.write(`${path} is not what the code says: run "npm run docs".\n`)
    process.exitCode = 1
  }
}
