import { describe, expect, test } from 'vitest'
import { createTestGateway, TEST_HELP, type TestGateway, type TestVisitor } from '../testing/test-gateway.ts'

const ID = '018f0000-0000-7000-8000-000000000001'
const OTHER_ID = '018f0000-0000-7000-8000-000000000002'
const NOW = '2026-01-05T09:00:00.000Z'

const errorCode = (body: unknown): unknown => Object(Object(body).error).code
const ask = (visitor: TestVisitor, session: string, content: string, id?: string): Promise<Awaited<ReturnType<TestVisitor['json']>>> =>
  visitor.json('POST', `/api/v1/sessions/${session}/messages`, { content, ...(id === undefined ? {} : { id }) })

describe('sessions', () => {
  test('[H5] a new one is answered with its id, its state and its times', async () => {
    await using gateway = await createTestGateway()
    const { status, body, headers } = await gateway.visitor().json('POST', '/api/v1/sessions', {})
    const sessionId = Object(body).sessionId
    expect({ status, body }).toEqual({
      status: 201,
      body: { sessionId, status: 'created', createdAt: NOW, expiresAt: '2026-01-05T10:00:00.000Z' },
    })
    expect(sessionId).toMatch(/^[0-9a-f]{32}$/)
    expect(headers['location']).toBe(`/api/v1/sessions/${sessionId}`)
  })
  test('[H6] are listed for their visitor only, newest first', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const first = await visitor.session()
    await gateway.clock.advance(1)
    const second = await visitor.session()
    const stranger = gateway.visitor()
    await stranger.session()
    const { body } = await visitor.json('GET', '/api/v1/sessions')
    expect(body).toEqual({
      sessions: [
        { sessionId: second, status: 'active', createdAt: '2026-01-05T09:00:00.001Z', expiresAt: '2026-01-05T10:00:00.001Z', questions: 0 },
        { sessionId: first, status: 'active', createdAt: NOW, expiresAt: '2026-01-05T10:00:00.000Z', questions: 0 },
      ],
    })
  })
  test('[H6] each is shown by itself, too', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const sessionId = await visitor.session()
    await ask(visitor, sessionId, 'Hello')
    expect(await visitor.json('GET', `/api/v1/sessions/${sessionId}`)).toMatchObject({
      status: 200,
      body: { sessionId, status: 'active', createdAt: NOW, expiresAt: '2026-01-05T10:00:00.000Z', questions: 1 },
    })
  })
  test('[H7] a deleted one does not exist any more', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const deleted = await visitor.json('DELETE', `/api/v1/sessions/${session}`)
    expect([deleted.status, deleted.body]).toEqual([204, undefined])
    expect((await visitor.json('GET', `/api/v1/sessions/${session}`)).status).toBe(404)
    expect((await visitor.json('GET', '/api/v1/sessions')).body).toEqual({ sessions: [] })
    expect(gateway.events.of('sessionDeleted')).toEqual([session])
  })
})

describe('somebody else', () => {
  const routes: readonly (readonly [string, string, unknown])[] = [
    ['GET', '', undefined],
    ['DELETE', '', undefined],
    ['GET', '/messages', undefined],
    ['GET', '/messages?limit=nonsense', undefined],
    ['POST', '/messages', { content: 'Let me in' }],
    ['POST', '/messages', { content: 5 }],
    ['POST', `/messages/${ID}/stop`, undefined],
    ['POST', `/messages/${ID}/stop`, { unknown: 1 }],
    ['DELETE', '', { unknown: 1 }],
  ]
  const strangers: readonly (readonly [string, (gateway: TestGateway, session: string) => Promise<string>])[] = [
    ['somebody else’s session', async (_gateway, session) => session],
    ['one that never was', async () => 'f'.repeat(32)],
    ['no session id', async () => 'nonsense'],
    ['a NUL', async () => '%00'],
    ['an encoded way up', async () => '..%2f..%2fetc'],
  ]
  const cases = strangers.flatMap(([name, target]) => routes.map(([method, path, body]) => ({ name, target, method, path, body })))
  test.each(cases)('[H8] $method $path of $name is 404', async ({ target, method, path, body }) => {
    await using gateway = await createTestGateway()
    const owner = gateway.visitor()
    const session = await owner.session()
    await ask(owner, session, 'Mine', ID)
    const stranger = gateway.visitor()
    await stranger.session()
    const answer = await stranger.json(method, `/api/v1/sessions/${await target(gateway, session)}${path}`, body)
    expect([answer.status, errorCode(answer.body)]).toEqual([404, 'SESSION_NOT_FOUND'])
    expect((await owner.json('GET', `/api/v1/sessions/${session}/messages`)).body).toMatchObject({
      messages: [{ content: 'Mine', status: 'sent' }],
    })
  })
  test('[H8] an expired session is 404 for its owner, too', async () => {
    await using gateway = await createTestGateway({ sessionTtlMs: 1_000 })
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await gateway.clock.advance(1_000)
    expect((await visitor.json('GET', `/api/v1/sessions/${session}/messages`)).status).toBe(404)
  })
})

describe('asking', () => {
  test('[H9] is answered once the question is durable, while no agent has looked at it', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const { status, body } = await ask(visitor, session, '  Where is it?\r\n', ID)
    const message = { id: ID, sessionId: session, role: 'user', content: 'Where is it?', timestamp: NOW, status: 'sent', metadata: {} }
    expect({ status, body }).toEqual({ status: 200, body: { status: 'sent', message } })
    expect((await gateway.claim()).session).toBe(session)
    expect(gateway.events.of('questionAccepted')).toEqual([
      {
        session,
        turn: expect.stringMatching(/^[0-9a-f]{24}$/),
        transport: 'api',
        duplicate: false,
        tookMs: 0,
        from: { traceId: expect.any(String), spanId: expect.any(String), requestId: expect.any(String) },
      },
    ])
  })
  test('[H9] without an id gives the question one', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const { body } = await ask(visitor, await visitor.session(), 'Hello')
    expect(Object(Object(body).message).id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })
  test('[H9] says what it replies to', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const { body } = await visitor.json('POST', `/api/v1/sessions/${session}/messages`, { content: 'And?', metadata: { inReplyTo: ID } })
    expect(body).toMatchObject({ message: { metadata: { inReplyTo: ID } } })
  })
  test('[H10][H50] while the agent is away is kept and queued, with other help at once', async () => {
    await using gateway = await createTestGateway()
    gateway.isAgentAway = true
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const first = await ask(visitor, session, 'Hello', ID)
    const metadata = { topic: 'fallback', fallback: true, reason: 'circuit-breaker-open', inReplyTo: ID }
    expect(first).toMatchObject({
      status: 202,
      body: {
        status: 'queued',
        message: { id: ID, status: 'queued' },
        notice: TEST_HELP,
        fallback: { role: 'system', content: TEST_HELP, status: 'complete', metadata },
      },
    })
    const { body } = await visitor.json('GET', `/api/v1/sessions/${session}/messages`)
    expect(Object(body).messages).toEqual([Object(first.body).message, Object(first.body).fallback])
    expect(await ask(visitor, session, 'Hello', ID)).toMatchObject({ status: 202, body: first.body })
    await gateway.answer('Hi.')
    expect(await ask(visitor, session, 'Hello', ID)).toMatchObject({
      status: 200,
      body: { status: 'sent', message: { status: 'answered' } },
    })
  })
  test('[H10][H50] is queued all the same when no other help comes within a second', async () => {
    await using gateway = await createTestGateway()
    Object.assign(gateway, { isAgentAway: true, isHelpGiven: false })
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const asking = ask(visitor, session, 'Hello', ID)
    await gateway.events.next('questionAccepted')
    await gateway.clock.advance(1_000)
    expect(await asking).toMatchObject({
      status: 202,
      body: { status: 'queued', message: { id: ID, status: 'sent' }, notice: expect.stringContaining('saved') },
    })
    expect((await gateway.claim()).session).toBe(session)
  })
  test('[H11] the same again is asked once and gets the same message as it stands', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const first = await ask(visitor, session, 'Hello', ID)
    const again = await ask(visitor, session, ' Hello ', ID)
    expect([again.status, again.body]).toEqual([200, first.body])
    await gateway.answer('Hi.')
    const later = await ask(visitor, session, 'Hello', ID)
    expect([later.status, later.body]).toMatchObject([200, { status: 'sent', message: { id: ID, status: 'answered' } }])
    expect((await visitor.json('GET', `/api/v1/sessions/${session}`)).body).toMatchObject({ questions: 1 })
    await expect(gateway.claim()).rejects.toThrow('no question is open')
  })
  test('[H11] the same id with another text is a conflict', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await ask(visitor, session, 'Hello', ID)
    const { status, body } = await ask(visitor, session, 'Goodbye', ID)
    expect([status, errorCode(body)]).toEqual([409, 'MESSAGE_CONFLICT'])
    expect(gateway.events.of('questionRefused')).toEqual([{ transport: 'api', reason: 'conflict' }])
  })
  test('[H12] the header gives the id as well', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const url = `/api/v1/sessions/${await visitor.session()}/messages`
    const post = (key: string, body: object): Promise<{ readonly statusCode: number; readonly payload: string }> =>
      visitor.request('POST', url, {
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        payload: JSON.stringify(body),
      })
    const plain = await post(ID, { content: 'Hello' })
    const quoted = await post(`"${ID}"`, { content: 'Hello', id: ID })
    expect(JSON.parse(plain.payload)).toMatchObject({ message: { id: ID } })
    expect(quoted.payload).toBe(plain.payload)
    expect((await post(OTHER_ID, { content: 'Hello', id: ID })).statusCode).toBe(400)
    expect((await post('nonsense', { content: 'Hello' })).statusCode).toBe(400)
    expect((await visitor.json('GET', url)).body).toMatchObject({ messages: [{ id: ID }] })
  })
})

describe('stopping', () => {
  test('[H18] a question that is being asked is stopped once', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await ask(visitor, session, 'Hello', ID)
    await gateway.claim()
    const url = `/api/v1/sessions/${session}/messages/${ID}/stop`
    const stopped = await visitor.json('POST', url)
    const again = await visitor.json('POST', url, {})
    expect([stopped.status, stopped.body]).toMatchObject([
      202,
      { status: 'stopping', message: { id: ID, status: 'sent', metadata: { isStopping: true } } },
    ])
    expect([again.status, again.body]).toEqual([202, stopped.body])
    expect(gateway.events.of('stopRequested')).toHaveLength(1)
  })
  test('[H18] one that nobody has taken up is cancelled at once, and its end is told', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await ask(visitor, session, 'Hello', ID)
    gateway.clock.advanceSync(3_000)
    const url = `/api/v1/sessions/${session}/messages/${ID}/stop`
    const cancelled = { status: 'ended', message: { id: ID, status: 'cancelled', metadata: { reason: 'asked-to-stop' } } }
    for (let times = 0; times < 2; times += 1) expect(await visitor.json('POST', url)).toMatchObject({ status: 200, body: cancelled })
    const { events } = gateway
    expect([events.of('stopRequested').length, events.of('turnEnded')]).toMatchObject([
      1,
      [{ outcome: 'stopped', reason: 'asked-to-stop', tookMs: 3_000 }],
    ])
  })
  test('[H18] one that has its outcome is left as it is', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await ask(visitor, session, 'Hello', ID)
    await gateway.answer('Hi.')
    const { status, body } = await visitor.json('POST', `/api/v1/sessions/${session}/messages/${ID}/stop`)
    expect([status, body]).toMatchObject([200, { status: 'ended', message: { id: ID, status: 'answered', metadata: {} } }])
    expect(gateway.events.of('stopRequested')).toEqual([])
  })
  test.each([OTHER_ID, 'nonsense'])('[H18] a message that is not there (%s) is 404', async (id) => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    await ask(visitor, session, 'Hello', ID)
    const { status, body } = await visitor.json('POST', `/api/v1/sessions/${session}/messages/${id}/stop`)
    expect([status, errorCode(body)]).toEqual([404, 'MESSAGE_NOT_FOUND'])
  })
})

describe('the service', () => {
  test.each(['full', 'limited', 'offline'] as const)('[H19] says its level: %s', async (level) => {
    await using gateway = await createTestGateway()
    gateway.level = level
    expect(await gateway.visitor().json('GET', '/api/v1/status')).toMatchObject({ status: 200, body: { level, away: [], timestamp: NOW } })
  })
  test('[H85][H86] says which parts are away, and how long answers take while that is long', async () => {
    await using gateway = await createTestGateway()
    Object.assign(gateway, { level: 'limited', away: ['agent', 'link'], answersTakeMs: 120_000 })
    expect((await gateway.visitor().json('GET', '/api/v1/status')).body).toEqual({
      level: 'limited',
      away: ['agent', 'link'],
      answersTakeMs: 120_000,
      timestamp: NOW,
    })
  })
  test('[H20] forbids to store what it answers, failures included', async () => {
    await using gateway = await createTestGateway()
    const visitor = gateway.visitor()
    const session = await visitor.session()
    const urls = [
      '/api/v1/sessions',
      `/api/v1/sessions/${session}`,
      `/api/v1/sessions/${session}/messages`,
      '/api/v1/status',
      '/api/v1/nothing',
    ]
    const answers = await Promise.all(urls.map((url) => visitor.json('GET', url)))
    expect(answers.map(({ headers }) => headers['cache-control'])).toEqual(urls.map(() => 'no-store'))
  })
})
