import { describe, expect, test } from 'vitest'
import type { TurnBody } from '../conversation/entry.ts'
import type { MessageId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { createTestGateway, type TestGateway, type TestVisitor } from '../testing/test-gateway.ts'

const id = (number: number): string => `018f0000-0000-7000-8000-${String(number).padStart(12, '0')}`

interface Listed {
  readonly messages: readonly { readonly id: string; readonly content: string; readonly status: string }[]
  readonly cursor: string | null
  readonly hasMore: boolean
}

interface Talk {
  readonly gateway: TestGateway
  readonly visitor: TestVisitor
  readonly url: string
  ask(number: number): Promise<void>
  list(query?: string): Promise<Listed>
}

async function createTalk(): Promise<Talk & AsyncDisposable> {
  const gateway = await createTestGateway()
  const visitor = gateway.visitor()
  const url = `/api/v1/sessions/${await visitor.session()}/messages`
  return {
    gateway,
    visitor,
    url,
    ask: async (number) => {
      const { status } = await visitor.json('POST', url, { content: `Question ${number}`, id: id(number) })
      expect(status).toBe(200)
    },
    list: async (query = '') => {
      const { status, body } = await visitor.json('GET', `${url}${query}`)
      expect(status).toBe(200)
      return body as Listed
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

const brief = ({ messages }: Listed): readonly string[] => messages.map(({ content, status }) => `${content}: ${status}`)
const after = (list: Listed): string => `?after=${list.cursor}`

describe('the list of messages', () => {
  test('[H13] is empty at first', async () => {
    await using talk = await createTalk()
    expect(await talk.list()).toEqual({ messages: [], cursor: null, hasMore: false })
  })
  test('[H13] shows questions, answers and notices in the order of the log', async () => {
    await using talk = await createTalk()
    await talk.ask(1)
    const claim = await talk.gateway.claim()
    const question = id(1) as MessageId
    const bodies: readonly TurnBody[] = [
      { kind: 'notice', topic: 'fallback', turnId: claim.turnId, inReplyTo: question, reason: 'agent-busy', text: 'Read this.' },
      { kind: 'turn-started', turnId: claim.turnId, attempt: 1, fence: claim.fence },
      { kind: 'answer-part', turnId: claim.turnId, attempt: 1, index: 0, persona: 'Ada', text: 'Half an ' },
    ]
    await talk.gateway.log.write(claim, bodies)
    const common = { sessionId: claim.session, timestamp: '2026-01-05T09:00:00.000Z' }
    expect((await talk.list()).messages).toEqual([
      { ...common, id: id(1), role: 'user', content: 'Question 1', status: 'delivered', metadata: {} },
      {
        ...common,
        id: 'notice.2',
        role: 'system',
        content: 'Read this.',
        status: 'complete',
        metadata: { topic: 'fallback', fallback: true, reason: 'agent-busy', inReplyTo: id(1) },
      },
      {
        ...common,
        id: `${claim.turnId}.1`,
        role: 'assistant',
        content: 'Half an ',
        status: 'streaming',
        metadata: { inReplyTo: id(1), attempt: 1, persona: 'Ada' },
      },
    ])
  })
  test('[H14] an answer is listed once it has text, and keeps its id', async () => {
    await using talk = await createTalk()
    await talk.ask(1)
    const claim = await talk.gateway.claim()
    const { turnId, fence } = claim
    await talk.gateway.log.write(claim, [{ kind: 'turn-started', turnId, attempt: 1, fence }])
    expect(brief(await talk.list())).toEqual(['Question 1: delivered'])
    await talk.gateway.log.write(claim, [{ kind: 'answer-part', turnId, attempt: 1, index: 0, persona: undefined, text: 'Yes' }])
    const streaming = await talk.list()
    await talk.gateway.log.write(claim, [
      { kind: 'turn-ended', turnId, attempt: 1, outcome: 'interrupted', reason: 'agent-broke-off', parts: 1, chars: 3, sha256: '' },
    ])
    const ended = await talk.list()
    expect([brief(streaming), brief(ended)]).toEqual([
      ['Question 1: delivered', 'Yes: streaming'],
      ['Question 1: answered', 'Yes: interrupted'],
    ])
    expect(ended.messages.map((message) => message.id)).toEqual(streaming.messages.map((message) => message.id))
    expect(ended.messages[1]).toMatchObject({ metadata: { reason: 'agent-broke-off' } })
  })
  test('[H15] goes on behind a message, as far as its limit', async () => {
    await using talk = await createTalk()
    for (const number of [1, 2, 3]) await talk.ask(number)
    const first = await talk.list('?limit=2')
    expect([brief(first), first.hasMore]).toEqual([['Question 1: sent', 'Question 2: sent'], true])
    const rest = await talk.list(`?limit=2&after=${first.messages.at(-1)?.id}`)
    expect([brief(rest), rest.hasMore]).toEqual([['Question 3: sent'], false])
    expect(brief(await talk.list(`?after=${id(3)}`))).toEqual([])
  })
  test('[H16] after a cursor holds what was added and what has changed, and nothing else', async () => {
    await using talk = await createTalk()
    await talk.ask(1)
    await talk.ask(2)
    const before = await talk.list()
    expect(brief(await talk.list(after(before)))).toEqual([])
    await talk.gateway.answer('Yes.')
    const changed = await talk.list(after(before))
    expect(brief(changed)).toEqual(['Question 1: answered', 'Yes.: complete'])
    expect(brief(await talk.list(after(changed)))).toEqual([])
  })
  test('[H16] after a cursor is right over more entries than one read gives', async () => {
    await using talk = await createTalk()
    await talk.ask(1)
    const before = await talk.list()
    const claim = await talk.gateway.claim()
    const { turnId, fence } = claim
    await talk.gateway.log.write(claim, [{ kind: 'turn-started', turnId, attempt: 1, fence }])
    for (let index = 0; index < READ_ENTRIES_MAX; index += 1) {
      await talk.gateway.log.write(claim, [{ kind: 'answer-part', turnId, attempt: 1, index, persona: undefined, text: '.' }])
    }
    const grown = await talk.list(after(before))
    expect(brief(grown)).toEqual(['Question 1: delivered', `${'.'.repeat(READ_ENTRIES_MAX)}: streaming`])
    expect(await talk.list()).toEqual(grown)
    await talk.ask(2)
    expect(brief(await talk.list(after(grown)))).toEqual(['Question 2: sent'])
  })
  test.each([
    [
      'another session’s',
      async (talk: Talk) => {
        const other = `/api/v1/sessions/${await talk.visitor.session()}/messages`
        await talk.visitor.json('POST', other, { content: 'Elsewhere' })
        return Object((await talk.visitor.json('GET', other)).body).cursor
      },
    ],
    [
      'one behind the head',
      async (talk: Talk) => {
        const [logId, , entry] = String((await talk.list()).cursor).split('.')
        return `${logId}.9999.${entry}`
      },
    ],
    [
      'one with another entry at its place',
      async (talk: Talk) => {
        const [logId, seq] = String((await talk.list()).cursor).split('.')
        return `${logId}.${seq}.${'0'.repeat(24)}`
      },
    ],
  ])('[H17] a cursor that is %s is 409', async (_name, cursorOf) => {
    await using talk = await createTalk()
    await talk.ask(1)
    const { status, body } = await talk.visitor.json('GET', `${talk.url}?after=${await cursorOf(talk)}`)
    expect([status, Object(body).error.code]).toEqual([409, 'CURSOR_NOT_ON_LOG'])
  })
  test.each([id(9), 'nonsense', '', 'a.0.b', '%00', 'x'.repeat(10_000)])(
    '[H17] after something that is not there is 400',
    async (value) => {
      await using talk = await createTalk()
      await talk.ask(1)
      const { status, body } = await talk.visitor.json('GET', `${talk.url}?after=${value}`)
      expect([status, Object(body).error.details]).toEqual([
        400,
        [{ where: 'query.after', problem: 'must be a cursor, or the id of a message of this conversation' }],
      ])
    },
  )
  test.each(['limit=0', 'limit=201', 'limit=-1', 'limit=1e2', 'limit=', 'limit=9999999999', 'limit=1&limit=2', 'before=x', '__proto__=1'])(
    '[E7] ?%s is 400',
    async (query) => {
      await using talk = await createTalk()
      const { status, body } = await talk.visitor.json('GET', `${talk.url}?${query}`)
      expect([status, Object(body).error.code]).toEqual([400, 'VALIDATION_ERROR'])
    },
  )
})
