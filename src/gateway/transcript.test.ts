import { expect, test } from 'vitest'
import type { TestGateway } from '../testing/test-gateway.ts'
import { begin, createPages, fields, pathOf, post, send, text } from '../testing/test-pages.ts'

/** Somebody with a conversation of every kind: answered, cut off, being written, waiting. */
async function talked(gateway: TestGateway) {
  const { visitor, path, page } = await begin(gateway)
  const next = async () => (await visitor.request('GET', path)).payload
  await send(visitor, page, path, 'How <deep>?')
  await gateway.answer('**Very** deep: [guide](https://evil.example/a?b=1), [help](/help/other).\n\n<img src=x onerror=alert(1)>\u001B[31m')
  await send(visitor, await next(), path, 'And wide?')
  await gateway.answer('Hal', 'interrupted')
  await send(visitor, await next(), path, 'Still?')
  const claim = await gateway.claim()
  await gateway.log.write(claim, [
    { kind: 'turn-started', turnId: claim.turnId, attempt: 1, fence: claim.fence },
    { kind: 'answer-part', turnId: claim.turnId, attempt: 1, index: 0, persona: undefined, text: 'So f' },
  ])
  await send(visitor, await next(), path, 'And then?')
  return { visitor, path }
}

test('[W39] a conversation can be downloaded as a page: the same words and blocks, whole dates, and what was cut off', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await talked(gateway)
  const offer = await visitor.request('GET', `${path}/download`)
  expect(text(offer.payload)).toContain('Web page, to read or print Plain text Data for other software (JSON)')
  const file = await visitor.request('GET', `${path}/download/html`)
  expect([file.headers['content-type'], file.headers['content-disposition'], file.headers['cache-control']]).toEqual([
    'text/html; charset=utf-8',
    'attachment; filename="conversation-2026-01-05-0900.html"',
    'no-store',
  ])
  const said = text(file.payload.slice(file.payload.indexOf('<body>')))
  expect(said).toBe(
    [
      ' Conversation from Ask a test Started at 9:00am on 5 January 2026.',
      'Downloaded at 9:00am on 5 January 2026. All times are times in the United Kingdom. Answers were written by AI and may be wrong.',
      'You at 9:00am on 5 January 2026 How &lt;deep&gt;? Sent at 9:00am on 5 January 2026',
      'Assistant at 9:00am on 5 January 2026 Very deep: guide (https://evil.example/a?b=1) , help (http://chat.test/help/other) .',
      '&lt;img src=x onerror=alert(1)&gt;\u001B[31m This answer was written by AI and may be wrong. Check it before you act on it.',
      'You at 9:00am on 5 January 2026 And wide? Sent at 9:00am on 5 January 2026',
      'Assistant at 9:00am on 5 January 2026 Hal This answer was cut off and is not complete.',
      'You at 9:00am on 5 January 2026 Still? The assistant received this at 9:00am on 5 January 2026',
      'Assistant at 9:00am on 5 January 2026 So f This answer was still being written when the conversation was downloaded.',
      'You at 9:00am on 5 January 2026 And then? Sent at 9:00am on 5 January 2026. Waiting for the assistant. There is 1 question before yours.',
      'End of the conversation. ',
    ].join(' '),
  )
  expect(file.payload).toContain('<strong>Very</strong>')
  expect(file.payload).not.toMatch(/<img|<script|<link|<form/)
})

test('[W39] as plain text: what was written, with nothing that a terminal obeys', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await talked(gateway)
  const { payload, headers } = await visitor.request('GET', `${path}/download/text`)
  expect([headers['content-type'], headers['content-disposition']]).toEqual([
    'text/plain; charset=utf-8',
    'attachment; filename="conversation-2026-01-05-0900.txt"',
  ])
  expect(payload).toContain('\n\nYou, at 9:00am on 5 January 2026\n\nHow <deep>?\n[Sent at 9:00am on 5 January 2026]\n\nAssistant,')
  expect(payload).toContain('<img src=x onerror=alert(1)>\uFFFD[31m\n[This answer was written by AI')
  expect(payload).toContain('Hal\n[This answer was cut off and is not complete.]')
  expect(payload.endsWith('\n\n\nEnd of the conversation.\n')).toBe(true)
  expect(payload).not.toMatch(/[^\P{Cc}\n]/u)
})

test('[W39] as data: the messages as the API has them', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await talked(gateway)
  const { payload, headers } = await visitor.request('GET', `${path}/download/json`)
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  const session = path.split('/')[2] ?? ''
  const { body } = await visitor.json('GET', `/api/v1/sessions/${session}/messages`)
  expect(JSON.parse(payload)).toEqual({
    service: 'Ask a test',
    sessionId: session,
    createdAt: '2026-01-05T09:00:00.000Z',
    expiresAt: '2026-01-05T10:00:00.000Z',
    downloadedAt: '2026-01-05T09:00:00.000Z',
    messages: Object(body).messages,
  })
})

test('[W39] an empty conversation is a file, too', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await begin(gateway)
  const files = await Promise.all(
    ['html', 'text', 'json'].map(async (format) => (await visitor.request('GET', `${path}/download/${format}`)).payload),
  )
  expect(files.map((file) => /Nothing was asked|"messages": \[\n {2}\]/.test(file))).toEqual([true, true, true])
})

test('[W39] nobody else gets it, and there are no other formats', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await talked(gateway)
  const stranger = gateway.visitor()
  for (const url of [`${path}/download`, `${path}/download/html`, `${path}/download/text`, `${path}/download/json`]) {
    const { statusCode, payload } = await stranger.request('GET', url)
    expect([statusCode, payload.includes('deep')]).toEqual([404, false])
  }
  for (const format of ['pdf', '__proto__', 'html%00', '..%2fhtml']) {
    expect((await visitor.request('GET', `${path}/download/${format}`)).statusCode).toBe(404)
  }
})

test('[W40] the page warns two minutes before the end, and a form gives the conversation its whole life again', async () => {
  await using gateway = await createPages()
  const { visitor, path, page } = await begin(gateway)
  expect(text(page)).toContain('This conversation will close at 10:00am if you do not ask anything else.')
  expect(page).toMatch(/<section class="app-ending" id="ending"[^>]* hidden>/)
  await gateway.clock.advance(58 * 60_000 - 1)
  expect((await visitor.request('GET', path)).payload).toMatch(/id="ending"[^>]* hidden>/)
  await gateway.clock.advance(1)
  const { payload } = await visitor.request('GET', path)
  expect(payload).toMatch(/id="ending" aria-labelledby="ending-heading">/)
  expect(text(payload)).toContain('It will close at 10:00am to protect your information. You can download it before then.')
  expect((await post(visitor, `${path}/keep-open`, {})).statusCode).toBe(403)
  const kept = await post(visitor, `${path}/keep-open`, fields(payload, '/keep-open'))
  expect([kept.statusCode, pathOf(kept)]).toEqual([303, path])
  expect(text((await visitor.request('GET', path)).payload)).toContain('This conversation will close at 10:58am')
  for (const url of [`${path}/delete`, `${path}/download`]) {
    expect(text((await visitor.request('GET', url)).payload)).toContain('This conversation will close at 10:58am')
  }
})

test('[W41] deleting says what goes and when it was done, and what waits is not answered', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await talked(gateway)
  const confirm = await visitor.request('GET', `${path}/delete`)
  expect(text(confirm.payload)).toContain('Questions that wait for an answer will not be answered. You cannot get any of it back.')
  expect(confirm.payload).toContain(`href="${path}/download"`)
  const list = await visitor.request('GET', pathOf(await post(visitor, `${path}/delete`, fields(confirm.payload, '/delete'))))
  expect(text(list.payload)).toContain('The conversation was deleted at 9:00am, with everything in it.')
  expect(await gateway.log.claim('test', 60_000, 10)).toEqual([])
  await gateway.clock.advance(60_000)
  for (const url of [`/conversations?deleted=${gateway.clock.now() - 60_000}`, '/conversations?deleted=x', '/conversations?deleted=9e99']) {
    expect(text((await visitor.request('GET', url)).payload)).not.toContain('was deleted')
  }
})
