/** The example of docs/plugins.md as a team would run it: a bare hapi server with both plugins. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { expect, test } from 'vitest'
import { startProcess } from './processes.ts'

/** Somebody else's service, which a test can break. */
async function startLookup() {
  const state = { isBroken: false, asked: 0 }
  const server = createServer((request, response) => {
    state.asked += 1
    response.writeHead(state.isBroken ? 500 : 200).end(`found ${request.url}`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { state, url: `http://127.0.0.1:${port}/`, [Symbol.dispose]: () => void server.close() }
}

test('[O62] the example runs: it answers, leaves a service alone that fails, says so, and stops', async () => {
  using lookup = await startLookup()
  await using server = startProcess('examples/own-server.ts', { env: { PORT: '0', LOOKUP_URL: lookup.url } })
  const url = await server.line((line) => /^Listening on (\S+), full$/.exec(line)?.[1])
  const get = async (where: string): Promise<readonly [number, string]> => {
    const response = await fetch(url + where)
    return [response.status, await response.text()]
  }
  expect([await get('/places/Leeds'), await get('/')]).toEqual([
    [200, 'found /Leeds'],
    [200, 'Look up a place.'],
  ])
  expect([(await get('/live'))[0], (await get('/ready'))[0], (await get('/health'))[0]]).toEqual([200, 200, 200])

  lookup.state.isBroken = true
  const failures: number[] = []
  while (failures.at(-1) !== 503 && failures.length < 10) failures.push((await get('/places/Leeds'))[0])
  expect(failures).toEqual([500, 500, 500, 500, 503])
  const refused = await fetch(`${url}/places/Leeds`)
  expect([refused.status, Number(refused.headers.get('retry-after')) > 20, await refused.json()]).toMatchObject([
    503,
    true,
    { error: { code: 'CIRCUIT_BREAKER_OPEN', isRetryable: true } },
  ])
  expect([await get('/'), (await get('/ready'))[0], (await get('/health'))[0]]).toEqual([
    [200, 'Places cannot be looked up at the moment.'],
    200,
    503,
  ])
  expect((await get('/health/detailed'))[1]).toContain('"name":"lookup","state":"open"')
  expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null })
})

test('[O62] docs/plugins.md names every option of the plugins and everything on server.resilience', () => {
  const read = (file: string): string => readFileSync(path.resolve(import.meta.dirname, '..', file), 'utf8')
  const fieldsOf = (file: string, name: string): readonly string[] => {
    const [, body = ''] = new RegExp(`export interface ${name} \\{\\n([^]*?)\\n\\}`).exec(read(file)) ?? []
    return [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, field = '']) => field)
  }
  const names = [
    ...fieldsOf('src/plugins/resilience.ts', 'ResilienceOptions'),
    ...fieldsOf('src/plugins/resilience.ts', 'Resilience'),
    ...fieldsOf('src/plugins/health-routes.ts', 'HealthRoutesOptions'),
  ]
  const document = read('docs/plugins.md')
  expect(names.length).toBeGreaterThan(8)
  expect(names.filter((name) => !new RegExp(`\`[^\`]*\\b${name}\\b`).test(document))).toEqual([])
})
