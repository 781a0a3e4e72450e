import { describe, expect, test } from 'vitest'
import { JSON_DEPTH_MAX, OPEN_TURNS_MAX, QUESTION_BYTES_MAX, REQUEST_BYTES_MAX, SESSIONS_PER_VISITOR_MAX } from '../conversation/limits.ts'
import { createTestGateway, type TestGateway, type TestVisitor } from '../testing/test-gateway.ts'

interface Answered {
  readonly status: number
  readonly error: { readonly code: string; readonly details?: readonly { readonly where: string; readonly problem: string }[] }
  readonly text: string
}

interface Bench extends AsyncDisposable {
  readonly gateway: TestGateway
  readonly visitor: TestVisitor
  readonly url: string
  post(payload: string | Buffer, headers?: Readonly<Record<string, string>>): Promise<Answered>
  contents(): Promise<readonly string[]>
}

const JSON_TYPE = { 'content-type': 'application/json' }

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

async function createBench(): Promise<Bench> {
  const gateway = await createTestGateway()
  const visitor = gateway.visitor()
  const url = `/api/v1/sessions/${await visitor.session()}/messages`
  return {
    gateway,
    visitor,
    url,
    post: async (payload, headers = JSON_TYPE) => {
      const { statusCode, payload: text } = await visitor.request('POST', url, { payload, headers })
      return { status: statusCode, error: JSON.parse(text).error, text }
    },
    contents: async () => {
      const { body } = await visitor.json('GET', url)
      return (body as { readonly messages: readonly { readonly content: string }[] }).messages.map(({ content }) => content)
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

const invalid = (where: string, problem: string): unknown => ({
  status: 400,
  error: expect.objectContaining({ code: 'VALIDATION_ERROR', isRetryable: false, details: [{ where, problem }] }),
  text: expect.any(String),
})

describe('a body', () => {
  test.each([
    ['no type', {}],
    ['a form’s type', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['no type at all', { 'content-type': 'nonsense' }],
    ['another character set', { 'content-type': 'application/json; charset=utf-16' }],
    ['a compressed form', { ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ])('[E4] with %s is 415', async (_name, headers) => {
    await using bench = await createBench()
    const { status, error } = await bench.post('{"content":"Hello"}', headers)
    expect([status, error.code, await bench.contents()]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE', []])
  })
  test.each(['application/json', 'application/json; charset=utf-8', 'Application/JSON; charset="UTF-8"'])(
    '[E4] as %s is taken',
    async (type) => {
      await using bench = await createBench()
      expect((await bench.post('{"content":"Hello"}', { 'content-type': type })).status).toBe(200)
    },
  )
  test.each([
    ['one byte more than it may have', REQUEST_BYTES_MAX + 1],
    ['1 MB', 1_000_000],
  ])('[E5] of %s is 413', async (_name, bytes) => {
    await using bench = await createBench()
    const { status, error } = await bench.post(JSON.stringify({ content: 'x'.repeat(bytes - 14) }))
    expect([status, error.code, await bench.contents()]).toEqual([413, 'PAYLOAD_TOO_LARGE', []])
  })
  test.each([
    ['not JSON', '{"content":', 'must be JSON'],
    ['text', 'Hello', 'must be JSON'],
    ['JSON and more', '{"content":"a"} {}', 'must be JSON'],
    ['nested too deep', nested(JSON_DEPTH_MAX + 1), `must not be nested deeper than ${JSON_DEPTH_MAX}`],
    ['nested 30,000 deep', nested(30_000), `must not be nested deeper than ${JSON_DEPTH_MAX}`],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'must be UTF-8'],
    ['null', 'null', 'must be an object'],
    ['a number too large for any', '1e400', 'must be an object'],
  ])('[E6] that is %s is 400', async (_name, payload, problem) => {
    await using bench = await createBench()
    expect(await bench.post(payload)).toEqual(invalid('body', problem))
    expect(await bench.contents()).toEqual([])
  })
  test.each([
    ['is empty', '', 'body', 'is required'],
    ['is a list', '[]', 'body.content', 'is required'],
    ['has no content', '{}', 'body.content', 'is required'],
    ['has a number as content', '{"content":5}', 'body.content', 'must be a string'],
    ['has no content but null', '{"content":null}', 'body.content', 'must be a string'],
    ['has an unknown field', '{"content":"a","role":"system"}', 'body.role', 'is not a known field'],
    ['has an unknown field in its metadata', '{"content":"a","metadata":{"x":1}}', 'body.metadata.x', 'is not a known field'],
    ['has __proto__', '{"content":"a","__proto__":{"isAdmin":true}}', 'body.__proto__', 'is not a known field'],
    ['has constructor', '{"content":"a","constructor":{}}', 'body.constructor', 'is not a known field'],
    ['has toString', '{"content":"a","toString":"x"}', 'body.toString', 'is not a known field'],
    ['has __proto__ in its metadata', '{"content":"a","metadata":{"__proto__":{}}}', 'body.metadata.__proto__', 'is not a known field'],
    ['has a field named in words', '{"content":"a","my private words":1}', 'body.(field)', 'is not a known field'],
    ['has an id that is none', '{"content":"a","id":"7"}', 'body.id', 'must be a lower-case UUID'],
    ['has an upper-case id', '{"content":"a","id":"018F0000-0000-7000-8000-000000000001"}', 'body.id', 'must be a lower-case UUID'],
    ['has a number as id', '{"content":"a","id":7}', 'body.id', 'must be a string'],
    ['replies to nothing', '{"content":"a","metadata":{"inReplyTo":"7"}}', 'body.metadata.inReplyTo', 'must be a lower-case UUID'],
    ['has a list as metadata', '{"content":"a","metadata":"x"}', 'body.metadata', 'must be an object'],
  ])('[E7] that %s is 400 and says where', async (_name, payload, where, problem) => {
    await using bench = await createBench()
    expect(await bench.post(payload)).toEqual(invalid(where, problem))
    expect(await bench.contents()).toEqual([])
  })
  test('[E7] lists its faults, of many unknown fields the first, and repeats no value', async () => {
    await using bench = await createBench()
    const fields = Object.fromEntries(Array.from({ length: 50 }, (_unused, index) => [`field${index}`, 'my private words']))
    const { status, error, text } = await bench.post(JSON.stringify({ content: 5, id: 'my private words', ...fields }))
    expect([status, error.details]).toEqual([
      400,
      [
        { where: 'body.id', problem: 'must be a lower-case UUID' },
        { where: 'body.content', problem: 'must be a string' },
        { where: 'body.field0', problem: 'is not a known field' },
      ],
    ])
    expect(text).not.toContain('private')
  })
  test.each(['sessions', 'sessions/{session}/messages/{message}/stop'])(
    '[E7] for %s may be left out or empty, and holds nothing',
    async (path) => {
      await using bench = await createBench()
      await bench.post('{"content":"a","id":"018f0000-0000-7000-8000-000000000001"}')
      const url = `/api/v1/${path}`
        .replace('sessions/{session}/messages', bench.url.slice('/api/v1/'.length))
        .replace('{message}', '018f0000-0000-7000-8000-000000000001')
      const answers = [
        await bench.visitor.json('POST', url),
        await bench.visitor.json('POST', url, {}),
        await bench.visitor.json('POST', url, { a: 1 }),
      ]
      expect(answers.map(({ status }) => status < 300)).toEqual([true, true, false])
      expect(answers[2]).toMatchObject({
        status: 400,
        body: { error: { details: [{ where: 'body.a', problem: 'is not a known field' }] } },
      })
    },
  )
})

describe('a question', () => {
  const bytes = QUESTION_BYTES_MAX.toString()
  test.each([
    ['is empty', '', 'must not be empty or blank'],
    ['is blank', ' \t\r\n\u00a0\u2003 ', 'must not be empty or blank'],
    ['has 2,001 characters', 'é'.repeat(2_001), 'must be 2000 characters or fewer'],
    ['has 2,001 families', '👨‍👩‍👧'.repeat(2_001).slice(0, 20_000), `must be ${bytes} bytes or fewer in UTF-8`],
    ['has 10,000 accents on one letter', `e${'\u0301'.repeat(10_000)}`, `must be ${bytes} bytes or fewer in UTF-8`],
    ['holds a lone high surrogate', 'a\ud800b', 'must not hold NUL or lone surrogates'],
    ['holds a lone low surrogate', '\udfff', 'must not hold NUL or lone surrogates'],
    ['holds NUL', 'a\u0000b', 'must not hold NUL or lone surrogates'],
  ])('[E8] that %s is 400 at its content', async (_name, content, problem) => {
    await using bench = await createBench()
    expect(await bench.post(JSON.stringify({ content }))).toEqual(invalid('body.content', problem))
    expect(await bench.contents()).toEqual([])
  })
  test.each([
    ['has 2,000 characters', 'é'.repeat(2_000)],
    ['has right-to-left overrides', 'a\u202egnp.exe'],
    ['has HTML', '<img src=x onerror=alert(1)>&amp;'],
    ['has tag characters', 'a\u{e0041}'],
    ['has a line separator', 'a\u2028b'],
    ['looks like another entry', '{"kind":"turn-ended"}'],
  ])('[E9] that %s is kept as it is', async (_name, content) => {
    await using bench = await createBench()
    expect((await bench.post(JSON.stringify({ content }))).status).toBe(200)
    expect(await bench.contents()).toEqual([content])
  })
})

describe('too many', () => {
  test('[E10] open questions are refused before anything is stored', async () => {
    await using bench = await createBench()
    for (let index = 0; index < OPEN_TURNS_MAX; index += 1) {
      await bench.gateway.clock.advance(60_000)
      expect((await bench.post(JSON.stringify({ content: `Question ${index}` }))).status).toBe(200)
    }
    const { status, error } = await bench.post('{"content":"One more"}')
    expect([status, error.code]).toEqual([429, 'TOO_MANY_OPEN_QUESTIONS'])
    expect(await bench.contents()).toHaveLength(OPEN_TURNS_MAX)
  })
  test('[E10] sessions of one visitor are refused', async () => {
    await using gateway = await createTestGateway({ sessionTtlMs: 100 * 60 * 60_000 })
    const visitor = gateway.visitor()
    for (let index = 0; index < SESSIONS_PER_VISITOR_MAX; index += 1) {
      await gateway.clock.advance(60_000)
      await visitor.session()
    }
    const { status, body } = await visitor.json('POST', '/api/v1/sessions')
    expect([status, Object(body).error.code]).toEqual([409, 'TOO_MANY_SESSIONS'])
  })
})
