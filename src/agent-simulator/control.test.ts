import { expect, test } from 'vitest'
import { SIMULATOR_BODY_BYTES_MAX, SIMULATOR_TURNS_MAX } from '../conversation/limits.ts'
import { createStats, turnHash } from './stats.ts'
import { call } from './test-caller.ts'
import { startTestSimulator } from './test-simulator.ts'

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

test('[M16] one fault, a script and the pace are set, and read back', async () => {
  await using simulator = await startTestSimulator()
  const put = async (body: object): Promise<unknown> => {
    const response = await simulator.request('PUT', '/control/faults', JSON.stringify(body))
    expect(response.status).toBe(200)
    return response.json()
  }
  expect(await put({ fault: 'cut', afterWords: 3, count: 1 })).toEqual({
    script: [{ fault: 'cut', afterWords: 3, count: 1, rate: 1 }],
    repeat: false,
    seed: 1,
    text: 'cut count=1 afterWords=3',
    firstMs: 400,
    chunkMs: 40,
    current: { step: 0, fault: 'cut', afterWords: 3, count: 1, rate: 1, text: 'cut count=1 afterWords=3', used: 0, forMs: 0 },
  })
  expect(await put({ script: [{ fault: 'hang', ms: 5 }, { fault: 'error' }], seed: 9, firstMs: 1, chunkMs: 2 })).toMatchObject({
    seed: 9,
    firstMs: 1,
    chunkMs: 2,
    current: { step: 0, fault: 'hang' },
  })
  simulator.clock.pass(5)
  expect(await put({ chunkMs: 7 })).toMatchObject({ seed: 9, firstMs: 1, chunkMs: 7, current: { step: 1, fault: 'error' } })
  const read = await simulator.request('GET', '/control/faults')
  expect(await read.json()).toMatchObject({ chunkMs: 7, current: { step: 1, fault: 'error' } })
})

test.each([
  ['', [{ path: '', problem: 'must be JSON' }]],
  ['{', [{ path: '', problem: 'must be JSON' }]],
  ['null', [{ path: '', problem: 'must be an object' }]],
  ['{}', [{ path: 'script', problem: 'is missing' }]],
  ['{"fault":"error","rate":"half"}', [{ path: 'script.0.rate', problem: 'must be a number' }]],
  ['{"script":[{"fault":"normal"}],"firstMs":-1}', [{ path: 'firstMs, chunkMs', problem: 'must be whole numbers from 0 to 3600000' }]],
  ['{"script":[{"fault":"normal"}],"seed":1.5}', [{ path: 'seed', problem: 'must be a whole number' }]],
])('[M16] %s is refused and changes nothing', async (body, details) => {
  await using simulator = await startTestSimulator('hang')
  const response = await simulator.request('PUT', '/control/faults', body)
  expect(response.status).toBe(400)
  expect(await response.json()).toEqual({
    error: { code: 'VALIDATION_ERROR', message: 'these faults cannot be used', isRetryable: false, details },
  })
  const after = await simulator.request('GET', '/control/faults')
  expect(await after.json()).toMatchObject({ firstMs: 400, chunkMs: 40, seed: 1, current: { fault: 'hang' } })
})

test.each([
  ['GET', '/nowhere', 404, 'NOT_FOUND'],
  ['DELETE', '/control/faults', 405, 'METHOD_NOT_ALLOWED'],
  ['GET', '/control/reset', 405, 'METHOD_NOT_ALLOWED'],
])('[M16] %s %s is %i', async (method, where, status, code) => {
  await using simulator = await startTestSimulator()
  const response = await simulator.request(method, where)
  expect(response.status).toBe(status)
  expect(await response.json()).toMatchObject({ error: { code } })
})

test('[M16] a body that is too large is refused', async () => {
  await using simulator = await startTestSimulator()
  const response = await simulator.request('PUT', '/control/faults', ' '.repeat(SIMULATOR_BODY_BYTES_MAX + 1))
  expect(response.status).toBe(413)
  expect(await response.json()).toMatchObject({ error: { code: 'TOO_LARGE' } })
})

test('[M17] what reached the agent is counted and can be set to 0', async () => {
  await using simulator = await startTestSimulator('error')
  await using caller = await call(simulator.url)
  caller.ask('Hello', { turnId: 'turn-1' })
  await caller.next()
  caller.ask('Hello', { turnId: 'turn-1', attempt: 2 })
  await caller.next()
  caller.ping()
  await caller.next()
  const expected = {
    connections: 1,
    openConnections: 1,
    refusals: 0,
    questions: 2,
    cancels: 0,
    pings: 1,
    badMessages: 0,
    finished: 0,
    faults: { error: 2 },
    turns: { [turnHash('turn-1')]: { questions: 2, attempt: 2, cancels: 0 } },
    turnsForgotten: 0,
  }
  expect(await simulator.stats()).toEqual(expected)
  const reset = await simulator.request('POST', '/control/reset')
  expect(await reset.json()).toMatchObject({ current: { fault: 'normal' } })
  expect(await simulator.stats()).toEqual({ ...expected, connections: 0, questions: 0, pings: 0, faults: {}, turns: {} })
})

test('[M17] no id can be read from the counts, and they do not grow for ever', () => {
  const stats = createStats()
  for (let index = 0; index <= SIMULATOR_TURNS_MAX; index += 1) stats.question(`turn-${index}`, 1)
  const { turns, turnsForgotten, questions } = stats.read(0)
  expect([Object.keys(turns).length, turnsForgotten, questions]).toEqual([SIMULATOR_TURNS_MAX, 1, SIMULATOR_TURNS_MAX + 1])
  expect(Object.keys(turns).every((name) => /^[0-9a-f]{16}$/.test(name))).toBe(true)
})

test.each([[{ origin: 'https://evil.example' }], [{ origin: 'null' }], [{ 'sec-fetch-site': 'cross-site' }]])(
  '[M18] a change with %j is refused',
  async (headers) => {
    await using simulator = await startTestSimulator()
    for (const [method, where, body] of [
      ['POST', '/', 'action=fault&fault=error'],
      ['PUT', '/control/faults', '{"fault":"error"}'],
      ['POST', '/control/reset', ''],
    ] as const) {
      const response = await simulator.request(method, where, body, headers)
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ error: { code: 'FORBIDDEN_ORIGIN' } })
    }
    expect(await (await simulator.request('GET', '/control/faults')).json()).toMatchObject({ current: { fault: 'normal' } })
  },
)

test('[M16] the page sets a fault, a script, and all back, by forms', async () => {
  await using simulator = await startTestSimulator()
  const { origin } = new URL(simulator.simulator.controlUrl)
  const post = async (body: string): Promise<string> => {
    const response = await simulator.request('POST', '/', body, { ...FORM, origin })
    expect([response.status, response.headers.get('location')]).toEqual([303, '/'])
    return (await simulator.request('GET', '/')).text()
  }
  const broken = await post('action=fault&fault=error')
  expect(broken).toContain('<strong>error afterWords=0 retryable=true</strong>. The agent says that it failed.')
  expect(broken).toContain('id="fault-error" name="fault" value="error" checked')
  expect(await post(`action=script&script=${encodeURIComponent('cut count=2\r\nrefused ms=10\r\nrepeat')}`)).toContain(
    'Script: cut count=2 afterWords=5, refused ms=10 status=503, repeat.',
  )
  expect(await post('action=reset')).toContain('<strong>normal</strong>')
})

test('[M19] a script that is wrong comes back as it was typed, as text, with what to mend', async () => {
  await using simulator = await startTestSimulator('hang')
  const typed = 'error rate=2\n<script>alert(1)</script>'
  const response = await simulator.request('POST', '/', `action=script&script=${encodeURIComponent(typed)}`, FORM)
  const html = await response.text()
  expect(response.status).toBe(400)
  expect(html).toContain('<title>Error: Agent simulator</title>')
  expect(html).toContain('<a href="#script">Step 1: rate must be 1 or less</a>')
  expect(html).toContain('error rate=2\n&lt;script&gt;alert(1)&lt;/script&gt;</textarea>')
  expect(html).not.toContain('<script')
  expect(html).toContain('<strong>hang afterWords=0</strong>')
})

test('[M19] every field has a label, and the page loads nothing', async () => {
  await using simulator = await startTestSimulator()
  const response = await simulator.request('GET', '/')
  const html = await response.text()
  const fields = [...html.matchAll(/<(?:input type="radio"|textarea) id="([^"]+)"/g)].map(([, id]) => id)
  expect(fields.length).toBe(12)
  expect(fields.filter((id) => !html.includes(`<label for="${id}"`))).toEqual([])
  expect(html).toContain('<html lang="en">')
  expect(html).toMatch(/<fieldset>\s*<legend>/)
  expect(html).not.toMatch(/<(?:script|img|link|iframe)|\bsrc=|\bon[a-z]+=/)
  expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'/)
})
