import { setImmediate as nextMacrotask } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { formatFrames, parseServerFrames } from '../protocol/parse-frame.ts'
import type { ClientFrame, HelloFrame } from '../protocol/protocol.ts'
import { deviceOf, headAt, LOG, messageIdOf, SESSION, TURN } from '../testing/client-link-play.ts'
import { openEventLink } from './event-link.ts'

interface Asked {
  readonly path: string
  readonly method: string
  readonly body: unknown
  readonly signal: AbortSignal
  answer(response: Response): void
  fail(): void
}

/** A link, the requests that it makes, and what its page hears. */
class Play {
  readonly asked: Asked[] = []
  readonly heard: string[] = []
  readonly link = openEventLink({
    sessionPath: '/api/v1/sessions/s',
    questionOf: (turnId) => (turnId === TURN ? messageIdOf(1) : undefined),
    listener: {
      opened: () => this.heard.push('opened'),
      received: (text) =>
        this.heard.push(...parseServerFrames(text).map((parsed) => (parsed.ok ? describeFrame(parsed.frame) : 'nonsense'))),
      closed: (code) => this.heard.push(`closed ${code}`),
    },
    fetch: (path, { method = 'GET', body = null, signal } = {}) =>
      new Promise((resolve, reject) => {
        const fail = (): void => reject(new TypeError('network error'))
        signal?.addEventListener('abort', fail)
        const sent: unknown = typeof body === 'string' ? JSON.parse(body) : undefined
        this.asked.push({
          path: typeof path === 'string' ? path : '',
          method,
          body: sent,
          signal: signal ?? new AbortController().signal,
          answer: resolve,
          fail,
        })
      }),
  })

  say(frame: ClientFrame): Asked {
    this.link.send(formatFrames([frame]))
    const asked = this.asked.at(-1)
    if (asked === undefined) throw new Error('nothing was asked')
    return asked
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn += 1) await nextMacrotask()
  }

  /** A stream that says this, in these pieces, and goes on. */
  async streams(...pieces: readonly string[]): Promise<ReadableStreamDefaultController<Uint8Array>> {
    const opened = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>()
    const body = new ReadableStream<Uint8Array>({ start: (controller) => opened.resolve(controller) })
    this.say(HELLO).answer(new Response(body))
    const controller = await opened.promise
    for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
    await this.settle()
    return controller
  }
}

const describeFrame = (frame: object): string => JSON.stringify(frame).slice(0, 200)
const HELLO: HelloFrame = { type: 'hello', v: 1, session: SESSION, device: deviceOf(1), resume: undefined }
const SEND: ClientFrame = { type: 'send', messageId: messageIdOf(1), number: 4, text: 'Why?', inReplyTo: undefined }
const event = (name: string, data: object, id = ''): string => `event: ${name}\n${id}data: ${JSON.stringify(data)}\n\n`
const refusal = (status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Response =>
  Response.json({ error: { code, message: '', isRetryable: status !== 400 && status !== 404, ...more } }, { status, headers })

describe('following', () => {
  test('[K49] opens at once, and asks for the stream with the cursor of the page', async () => {
    const play = new Play()
    await play.settle()
    expect([play.heard, play.asked]).toEqual([['opened'], []])
    expect(play.say(HELLO).path).toBe(`/api/v1/sessions/s/events?device=${deviceOf(1)}`)
    const resume = { logId: LOG, ...headAt(5) }
    expect(play.say({ ...HELLO, resume }).path).toBe(`/api/v1/sessions/s/events?device=${deviceOf(1)}&after=${LOG}.5.${headAt(5).id}`)
  })

  test('[K49] hands events on as frames, however they are cut up, and those that came together in one message', async () => {
    const text = [
      ': a comment\n\n',
      event('level', { level: 'full' }),
      event('ping', { n: 1, head: headAt(5), settled: 5 }),
      event('entry', { seq: 6, id: headAt(6).id, prev: headAt(5).id, at: 0, kind: 'stop-requested', turnId: TURN }, 'id: x\n'),
      event('block', { turnId: TURN, attempt: 1, index: 0, html: '<p>é\n</p>', upTo: 3 }, 'id: y\n'),
    ].join('')
    for (const size of [1, 7, text.length]) {
      const play = new Play()
      const bytes = Array.from({ length: Math.ceil(text.length / size) }, (_, index) => text.slice(index * size, (index + 1) * size))
      await play.streams(...bytes)
      expect(play.heard.map((frame) => /"type":"(\w+)"/.exec(frame)?.[1] ?? frame)).toEqual(['opened', 'level', 'ping', 'entry', 'block'])
    }
  })

  test('[K50] comes back after an end, a cut and a failure of the store, and never to a conversation that is gone', async () => {
    const ended = new Play()
    const stream = await ended.streams(event('level', { level: 'full' }))
    stream.close()
    await ended.settle()
    expect(ended.heard.at(-1)).toBe('closed 1006')
    const failed = new Play()
    await failed.streams(event('failed', { error: {} }))
    expect(failed.heard).toEqual(['opened', 'closed 4503'])
    for (const [answer, heard] of [
      [refusal(404, 'SESSION_NOT_FOUND'), ['closed 4404']],
      // A stranger on the way, such as a page of somebody's network.
      [new Response('<h1>Not found</h1>', { status: 404 }), ['closed 1006']],
      [
        refusal(503, 'OVERLOADED', {}, { 'retry-after': '5' }),
        ['{"type":"bye","code":1013,"retry":"resume","afterMs":5000}', 'closed 1006'],
      ],
    ] as const) {
      const play = new Play()
      await play.settle()
      play.say(HELLO).answer(answer)
      await play.settle()
      expect(play.heard).toEqual(['opened', ...heard])
    }
    const cut = new Play()
    cut.say(HELLO).fail()
    await cut.settle()
    expect(cut.heard).toContain('closed 1006')
  })

  test('[K51] asked for a sign of life it asks to move on', async () => {
    const play = new Play()
    await play.streams(event('level', { level: 'full' }))
    play.link.send(formatFrames([{ type: 'probe' }]))
    await play.settle()
    expect(play.heard.at(-1)).toBe('{"type":"drain","afterMs":0,"windowMs":0,"deadlineMs":0}')
    play.link.send(formatFrames([{ type: 'pong', n: 1, cursor: undefined }]))
    expect(play.asked).toHaveLength(1)
  })

  test('[K52] closed, it gives up what is under way and says nothing more', async () => {
    const play = new Play()
    await play.streams(event('level', { level: 'full' }))
    const asked = play.say(SEND)
    const before = play.heard.length
    play.link.close(1000)
    asked.answer(Response.json({ accepted: { seq: 6, duplicate: false } }))
    await play.settle()
    expect([asked.signal.aborted, play.heard.length]).toEqual([true, before])
  })
})

describe('a question', () => {
  const heardOf = async (answer: (asked: Asked) => void): Promise<string | undefined> => {
    const play = new Play()
    await play.streams(event('level', { level: 'full' }))
    const asked = play.say(SEND)
    expect(asked).toMatchObject({
      path: '/api/v1/sessions/s/messages',
      method: 'POST',
      body: { id: messageIdOf(1), content: 'Why?', metadata: { numbered: { device: deviceOf(1), number: 4 } } },
    })
    const before = play.heard.length
    answer(asked)
    await play.settle()
    return play.heard.slice(before).join()
  }
  const rejected = (code: string, temporary: boolean, more = ''): string =>
    `{"type":"rejected","messageId":"${messageIdOf(1)}","code":"${code}","temporary":${temporary}${more}}`

  test('[K49] goes by a request under its id and number, and is accepted where the API says so', async () => {
    expect(await heardOf((asked) => asked.answer(Response.json({ accepted: { seq: 6, duplicate: true } }, { status: 202 })))).toBe(
      `{"type":"accepted","messageId":"${messageIdOf(1)}","number":4,"seq":6,"duplicate":true}`,
    )
  })

  test('[K49] is refused as on a socket, for good or for now', async () => {
    for (const [answer, heard] of [
      [refusal(409, 'MESSAGE_CONFLICT', { isRetryable: false }), rejected('conflict', false)],
      [refusal(400, 'VALIDATION_ERROR'), rejected('invalid', false)],
      [refusal(404, 'SESSION_NOT_FOUND'), rejected('closed', false)],
      [refusal(409, 'MESSAGE_OUT_OF_ORDER', { details: { expectedNumber: 2 } }), rejected('order', true, ',"expectedNumber":2')],
      [refusal(429, 'RATE_LIMITED', {}, { 'retry-after': '4' }), rejected('rate', true, ',"retryAfterMs":4000')],
      [refusal(429, 'TOO_MANY_OPEN_QUESTIONS'), rejected('overload', true)],
      [refusal(503, 'STORE_UNAVAILABLE'), rejected('unavailable', true)],
      [refusal(500, 'INTERNAL_ERROR'), rejected('unavailable', true)],
    ] as const) {
      expect(await heardOf((asked) => asked.answer(answer))).toBe(heard)
    }
  })

  test('[K49] without an answer of the service is neither accepted nor refused', async () => {
    expect(await heardOf((asked) => asked.fail())).toBe('')
    expect(await heardOf((asked) => asked.answer(new Response('Bad gateway', { status: 502 })))).toBe('')
    expect(await heardOf((asked) => asked.answer(new Response('<html>Sign in to the network</html>')))).toBe('')
    expect(await heardOf((asked) => asked.answer(Response.json({ something: 'else' })))).toBe('nonsense')
  })
})

test('[K51] a wish to stop goes to its question, and one that failed closes the link', async () => {
  const play = new Play()
  await play.streams(event('level', { level: 'full' }))
  const asked = play.say({ type: 'stop', turnId: TURN })
  expect([asked.path, asked.method]).toEqual([`/api/v1/sessions/s/messages/${messageIdOf(1)}/stop`, 'POST'])
  asked.answer(Response.json({ status: 'stopping' }, { status: 202 }))
  await play.settle()
  expect(play.heard.at(-1)).not.toContain('closed')
  play.say({ type: 'stop', turnId: TURN }).answer(refusal(503, 'STORE_UNAVAILABLE'))
  await play.settle()
  expect(play.heard.at(-1)).toBe('closed 1006')
  const cut = new Play()
  await cut.streams(event('level', { level: 'full' }))
  cut.say({ type: 'stop', turnId: TURN }).fail()
  await cut.settle()
  expect(cut.heard.at(-1)).toBe('closed 1006')
})
