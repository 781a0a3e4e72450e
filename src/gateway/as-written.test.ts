import { describe, expect, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import { EVENT_STREAM_MAX_MS, LINKS_PER_SESSION_MAX, PAGE_WAIT_LOOK_MS } from '../conversation/limits.ts'
import { createFaultyLog } from '../testing/faulty-log.ts'
import { openStream } from '../testing/open-stream.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import type { TestGateway } from '../testing/test-gateway.ts'
import { begin, createPages, pathOf, send, text } from '../testing/test-pages.ts'

/** Somebody whose question is being answered, on a gateway that listens. */
async function asked(gateway: TestGateway) {
  await gateway.server.start()
  const { visitor, path, page } = await begin(gateway)
  const sent = await send(visitor, page, path, 'How <deep>?')
  const messageId = /wait=([0-9a-f-]{36})/.exec(pathOf(sent))?.[1] ?? ''
  const url = `${path}/answers/${messageId}`
  const open = (headers: Readonly<Record<string, string>> = {}) => openStream(gateway, visitor, { path: url, headers })
  return { visitor, path, url, messageId, open }
}

/** The agent begins, goes on, and ends. */
async function answering(gateway: TestGateway, claim?: Claim) {
  const claimed = claim ?? (await gateway.claim())
  const { turnId, fence } = claimed
  await gateway.log.write(claimed, [{ kind: 'turn-started', turnId, attempt: 1, fence }])
  let [index, chars] = [0, 0]
  const look = async (): Promise<void> => {
    await gateway.clock.settle()
    await gateway.clock.advance(PAGE_WAIT_LOOK_MS)
  }
  return {
    async say(said: string): Promise<void> {
      await gateway.log.write(claimed, [{ kind: 'answer-part', turnId, attempt: 1, index, persona: undefined, text: said }])
      index += 1
      chars += said.length
      await look()
    },
    async end(outcome: 'complete' | 'interrupted' = 'complete'): Promise<void> {
      const end = { kind: 'turn-ended', turnId, attempt: 1, outcome, reason: undefined, parts: index, chars, sha256: '' } as const
      await gateway.log.write(claimed, [end])
      await look()
    },
  }
}

const said = (html: string): string => text(html.slice(html.indexOf('<h1'), html.indexOf('id="other-help"')))

describe('the answer as it is written', () => {
  test('[W37] each block is on the page when it is complete, and the page closes with the answer', async () => {
    await using gateway = await createPages()
    const { open, path } = await asked(gateway)
    await using stream = await open()
    expect(said(await stream.until('How &lt;deep&gt;?'))).toContain('You at 9:00am How &lt;deep&gt;?')
    const agent = await answering(gateway)
    await agent.say('**One.**\n\nTw')
    const first = await stream.until('One.')
    expect(first).not.toContain('Tw')
    await agent.say('o.\n\nThree')
    await stream.until('Two.')
    await agent.end()
    const whole = await stream.whole()
    expect(said(whole)).toMatch(
      /You at 9:00am How &lt;deep&gt;\? Assistant at 9:00am One\. Two\. Three This answer was written by AI and may be wrong\. .*This was the whole answer\. Go back to your conversation/,
    )
    expect(whole.match(/<strong>One\.<\/strong>/g)).toHaveLength(1)
    expect(whole).toContain(`href="${path}?wait=`)
    expect(whole.trimEnd().endsWith('</html>')).toBe(true)
    expect(whole.match(/<div/g)?.length).toBe(whole.match(/<\/div>/g)?.length)
    expect([stream.answer.headers['cache-control'], stream.answer.headers['x-accel-buffering']]).toEqual(['no-store', 'no'])
    expect(gateway.clock.waiting).toBe(0)
  })

  test('[W37] compressed it still arrives piece by piece', async () => {
    await using gateway = await createPages()
    const { open } = await asked(gateway)
    await using stream = await open({ 'accept-encoding': 'gzip' })
    expect(stream.answer.headers['content-encoding']).toBe('gzip')
    const agent = await answering(gateway)
    await agent.say('One.\n\nTw')
    await stream.until('One.')
    await agent.end('interrupted')
    expect(said(await stream.whole())).toContain('Tw This answer was cut off and is not complete.')
  })

  test('[W37] an answer that has ended is there at once, and what failed before it began says why', async () => {
    await using gateway = await createPages()
    const { open, url, visitor } = await asked(gateway)
    const claim = await gateway.claim()
    const { turnId } = claim
    const end = { kind: 'turn-ended', turnId, attempt: 0, outcome: 'failed', reason: 'deadline', parts: 0, chars: 0, sha256: '' } as const
    await gateway.log.write(claim, [end])
    await using stream = await open()
    expect(said(await stream.whole())).toContain('No answer Sent at 9:00am The assistant did not answer in time.')
    const inOne = await visitor.request('GET', url)
    expect(said(inOne.payload)).toBe(said(await stream.whole()))
  })

  test('[W37] it ends before a proxy would cut it, and while the server drains, and then offers the rest', async () => {
    await using gateway = await createPages()
    const { open, url } = await asked(gateway)
    await using stream = await open()
    const agent = await answering(gateway)
    await agent.say('One.\n\nTw')
    await stream.until('One.')
    await gateway.clock.advance(EVENT_STREAM_MAX_MS)
    const whole = await stream.whole()
    expect(said(whole)).toMatch(/One\. The answer is not finished yet\. Show more of the answer Go back/)
    expect(whole).toContain(`href="${url}"`)
    expect(whole.match(/<div/g)?.length).toBe(whole.match(/<\/div>/g)?.length)
    await using again = await open()
    await again.until('One.')
    await gateway.server.stop({ timeout: 1 })
    expect(said(await again.whole())).toContain('The answer is not finished yet.')
  })

  test('[W37] a conversation that is deleted meanwhile, and a store that fails, are said at the end of the page', async () => {
    const clock = createSimulatedClock()
    const log = createFaultyLog(createMemoryLog({ clock, random: (count) => seededRandom(3).bytes(count) }))
    await using gateway = await createPages({}, { log })
    const { open, path, visitor } = await asked(gateway)
    await using failing = await open()
    await failing.until('How &lt;deep&gt;?')
    const agent = await answering(gateway)
    log.fault('refuses', ['read'])
    await agent.say('One.\n\n')
    expect(said(await failing.whole())).toContain('We cannot show more of the answer because of a problem with the service. Show more')
    log.fault(undefined)
    await using deleted = await open()
    await deleted.until('One.')
    await visitor.json('DELETE', `/api/v1/sessions/${path.split('/')[2] ?? ''}`)
    await gateway.clock.settle()
    await gateway.clock.advance(PAGE_WAIT_LOOK_MS)
    expect(said(await deleted.whole())).toContain('This conversation has closed.')
  })

  test('[W37] it is its visitor’s alone, counts as a link, and where there is no place the other page shows the same', async () => {
    await using gateway = await createPages()
    const { open, url, path, visitor, messageId } = await asked(gateway)
    expect((await gateway.visitor().request('GET', url)).statusCode).toBe(404)
    expect((await visitor.request('GET', `${path}/answers/none`)).statusCode).toBe(404)
    const streams = await Promise.all(Array.from({ length: LINKS_PER_SESSION_MAX }, () => open()))
    const refused = await visitor.request('GET', url)
    expect([refused.statusCode, pathOf(refused)]).toEqual([303, `${path}?wait=${messageId}#m-${messageId}`])
    for (const stream of streams) await stream[Symbol.asyncDispose]()
  })
})

test('[W38] a page that refreshes itself is asked for, has no box whose text would be lost, and stops by itself', async () => {
  await using gateway = await createPages()
  const { visitor, page, path } = await begin(gateway)
  expect(page).not.toContain('http-equiv="refresh"')
  await send(visitor, page, path, 'Slow?')
  const waiting = await visitor.request('GET', path)
  expect(waiting.payload).not.toContain('http-equiv="refresh"')
  const href = /href="([^"]*refresh=on[^"]*)"/.exec(waiting.payload)?.[1] ?? ''
  const refreshing = await visitor.request('GET', href.split('#')[0] ?? '')
  expect(refreshing.payload).toContain('<meta http-equiv="refresh" content="10">')
  expect(refreshing.payload).toMatch(/<form id="composer"[^>]* hidden>/)
  expect(refreshing.payload).not.toContain('data-module="app-chat"')
  expect(text(refreshing.payload)).toContain('This page refreshes every 10 seconds until your answer is ready. Stop refreshing')
  await gateway.answer('Here.')
  const done = await visitor.request('GET', href.split('#')[0] ?? '')
  expect(done.payload).not.toContain('http-equiv="refresh"')
  expect(done.payload).not.toMatch(/<form id="composer"[^>]* hidden>/)
})
