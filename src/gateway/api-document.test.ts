import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { examplesOf, Names, type Step } from '../testing/document-examples.ts'
import { createTestGateway, type TestGateway } from '../testing/test-gateway.ts'
import { MESSAGES } from './error-words.ts'

const document = readFileSync(fileURLToPath(new URL('../../docs/api.md', import.meta.url)), 'utf8')

/** What the remarks of the document do. */
async function happen(gateway: TestGateway, remark: string): Promise<void> {
  const answer = /^the assistant answers: (.+)$/.exec(remark)?.[1]
  if (answer !== undefined) return gateway.answer(answer)
  if (remark === 'the assistant is away') gateway.isAgentAway = true
  else if (remark === 'the assistant is back') gateway.isAgentAway = false
  else if (remark === 'the assistant takes up the next question') await gateway.claim()
  else if (remark === 'the store is away') gateway.level = 'offline'
  else if (remark === 'the store is back') gateway.level = 'full'
  else throw new Error(`nobody knows what happens when "${remark}"`)
}

const pretty = (body: string): string => (body.startsWith('{') ? JSON.stringify(JSON.parse(body), null, 2) : body)

/** The text of an answer; of a stream, as many events as are expected, or what came until it ended. */
async function textOf(response: Response, expected: string, isStream: boolean): Promise<string> {
  if (!isStream) return response.text()
  const events = expected.split('\n\n').length
  let text = ''
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece
    if (text.split('\n\n').length > events) break
  }
  return text.trimEnd()
}

async function run(gateway: TestGateway, jar: Map<string, string>, names: Names, step: Step & { readonly type: 'example' }): Promise<void> {
  const { request, answer } = step
  const response = await fetch(gateway.server.info.uri + names.inRun(request.path), {
    method: request.method,
    headers: {
      ...Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, names.inRun(value)])),
      ...(request.hasJar ? { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') } : {}),
    },
    ...(request.body === undefined ? {} : { body: names.inRun(request.body) }),
  })
  for (const cookie of request.hasJar ? response.headers.getSetCookie() : []) {
    const [pair = ''] = cookie.split(';')
    jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
  }
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, names.learn(value, response.headers.get(name) ?? '')]),
  )
  const expected = pretty(answer.body)
  const body = names.learn(expected, pretty(await textOf(response, answer.body, request.isStream)))
  expect({
    line: step.line,
    status: `${response.status} ${response.statusText}`,
    headers,
    body: body.startsWith('{') ? JSON.parse(body) : body,
  }).toEqual({
    line: step.line,
    status: answer.status,
    headers: answer.headers,
    body: expected.startsWith('{') ? JSON.parse(expected) : expected,
  })
}

test('[H21] every example of the document gives the answer printed below it', async () => {
  await using gateway = await createTestGateway()
  await gateway.server.start()
  const steps = examplesOf(document)
  const jar = new Map<string, string>()
  const names = new Names()
  for (const step of steps) {
    if (step.type === 'remark') await happen(gateway, step.text)
    else await run(gateway, jar, names, step)
  }
  expect(steps.filter(({ type }) => type === 'example').length).toBeGreaterThan(12)
})

test('[E1][H21] the document names every code that the API answers with, and no other', () => {
  const table = document.slice(document.indexOf('## Errors'), document.indexOf('## Limits'))
  const named = [...table.matchAll(/`([A-Z]+(?:_[A-Z]+)+|OVERLOADED)`/g)].map(([, code]) => code)
  // Only forms meet these two.
  const known = Object.keys(MESSAGES).filter((code) => code !== 'FORM_EXPIRED' && code !== 'FORBIDDEN' && code !== 'REQUEST_TIMEOUT')
  expect(new Set(named)).toEqual(new Set([...known, 'INTERNAL_ERROR']))
})
