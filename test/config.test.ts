import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../src/config.ts'

test('without anything the defaults hold and both servers are embedded', () => {
  const { config, explicit } = readConfig({})
  assert.equal(config.http.host, '127.0.0.1')
  assert.equal(config.http.port, 8081)
  assert.equal(config.nats.url, null)
  assert.equal(config.database.url, null)
  assert.equal(explicit.size, 0)
})

test('the environment goes before the file, the file before the defaults', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cnc-monitor-config-'))
  try {
    const file = join(folder, 'config.yaml')
    writeFileSync(file, 'http:\n  port: 9000\n  host: 0.0.0.0\n')
    const { config, explicit } = readConfig({ HTTP_PORT: '9001' }, file)
    assert.equal(config.http.port, 9001)
    assert.equal(config.http.host, '0.0.0.0')
    assert.deepEqual([...explicit], ['http.host', 'http.port'])
    writeFileSync(file, 'http:\n  prot: 9000\n')
    assert.throws(() => readConfig({}, file), /http\.prot is not a setting/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a wrong value names the variable, the value and what is allowed', () => {
  assert.throws(
    () => readConfig({ HTTP_PORT: '99999' }),
    /HTTP_PORT is "99999": allowed is a whole number from 0 to 65535/,
  )
  assert.throws(() => readConfig({ HTTP_PORT: 'eighty' }), /HTTP_PORT is "eighty"/)
  assert.throws(
    () => readConfig({ NATS_URL: 'localhost' }),
    /NATS_URL is "localhost": allowed is nothing or a URL that begins with nats:\/\/ or tls:\/\//,
  )
  assert.throws(() => readConfig({ LOG_LEVEL: 'loud' }), /LOG_LEVEL is "loud": allowed is trace or debug/)
  assert.throws(() => readConfig({ LIVE_RATE: '51' }), /LIVE_RATE is "51": allowed is a whole number/)
  assert.throws(() => readConfig({ LIVE_MAX_CLIENTS: '0' }), /LIVE_MAX_CLIENTS is "0"/)
  for (const origins of ['shop.example', 'https://a.example/path', 'https://a.example, https://b.example']) {
    assert.throws(
      () => readConfig({ LIVE_ORIGINS: origins }),
      /LIVE_ORIGINS is .*: allowed is nothing or a URL that begins with http:\/\/ or https:\/\//,
    )
  }
  assert.throws(() => readConfig({}, '/nowhere/config.yaml'), /cannot be read/)
})
