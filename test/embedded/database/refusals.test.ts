import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusalOf } from '../../../src/embedded/database/refusals.ts'

const refused = [
  'COPY t FROM STDIN',
  'copy t (a, "from", b) from stdin with (format csv)',
  "CoPy t FROM '/etc/passwd'",
  '/* a /* nested */ comment */ -- and another\n COPY t FROM STDIN',
  'SELECT 1; COPY t FROM STDIN; SELECT 2',
  "SELECT 'a''b'; COPY t FROM STDIN",
  "SELECT E'it\\'s'; COPY t FROM STDIN",
  'SELECT $tag$ ; $$ ; $tag$; COPY t FROM STDIN',
  "COPY t TO '/tmp/file'",
  "COPY (SELECT 1) TO PROGRAM 'cat'",
  'DISCARD ALL',
  'DEALLOCATE ALL',
  'DEALLOCATE PREPARE ALL',
  'RESET ALL',
  'LISTEN news',
]

const allowed = [
  'COPY t TO STDOUT',
  'COPY (SELECT a FROM t) TO STDOUT WITH (FORMAT csv)',
  "SELECT 'COPY t FROM STDIN'",
  "SELECT ';COPY t FROM STDIN'",
  "SELECT E'\\';COPY t FROM STDIN'",
  'SELECT $$;COPY t FROM STDIN;$$',
  'SELECT ";COPY t FROM STDIN"',
  '-- ;COPY t FROM STDIN\nSELECT 1',
  '/* ;COPY t FROM STDIN */ SELECT 1',
  'INSERT INTO copy SELECT * FROM stdin',
  'SELECT copy FROM t',
  'DEALLOCATE one',
  'RESET timezone',
  'SELECT 1 AS listen',
]

for (const sql of refused)
  test(`${JSON.stringify(sql)} is refused`, () => assert.equal(typeof refusalOf(sql), 'string'))

for (const sql of allowed)
  test(`${JSON.stringify(sql)} is not refused`, () => assert.equal(refusalOf(sql), undefined))

test('a text of many megabytes is read in one go', () => {
  const escapes = '\\n'.repeat(1_000_000)
  const sql = `SELECT '${"x''".repeat(1_000_000)}', E'${escapes}', $$${'copy '.repeat(1_000_000)}$$; COPY t FROM STDIN`
  assert.match(refusalOf(sql) ?? '', /COPY FROM/)
})
