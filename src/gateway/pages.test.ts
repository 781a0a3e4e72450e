import type { ServerInjectResponse } from '@hapi/hapi'
import { describe, expect, test } from 'vitest'
import { mintMessageId } from '../conversation/ids.ts'
import { PAGE_WAIT_MAX_MS, SNAPSHOT_ITEMS_MAX } from '../conversation/limits.ts'
import { begin, createPages, fields, isWaiting, pathOf, post, send, text, waitPath } from '../testing/test-pages.ts'

describe('a question through the form', () => {
  test('[W6] from the start page to the answer with forms and links only', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    expect(text(page)).toContain('You have not asked anything yet')
    const sent = await send(visitor, page, path, 'How deep is it?')
    expect(sent.statusCode).toBe(303)
    expect(pathOf(sent)).toMatch(/^\/conversations\/[0-9a-f]{32}\?wait=([0-9a-f-]{36})#m-\1$/)
    await gateway.answer('**Very** deep.')
    const shown = await visitor.request('GET', pathOf(sent).split('#')[0] ?? '')
    expect(shown.payload).toContain('<p class="govuk-body"><strong>Very</strong> deep.</p>')
    expect(text(shown.payload)).toContain('You at 9:00am How deep is it? Sent at 9:00am')
    expect(text(shown.payload)).toContain('This answer was written by AI and may be wrong.')
  })

  test('[W6] reading changes nothing, and no form is taken without its token', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    for (const url of ['/conversations', `${path}/messages`, `${path}/stop`, `${path}/ask-again`, `${path}/delete`]) {
      expect((await post(visitor, url, { question: 'x' })).statusCode).toBe(403)
    }
    for (const url of ['/', '/chat', '/conversations', path, `${path}/delete`, `${path}?wait=x&before=y`]) await visitor.request('GET', url)
    expect((await visitor.request('GET', `${path}/messages`)).statusCode).toBe(405)
    expect(text((await visitor.request('GET', path)).payload)).toContain('You have not asked anything yet')
  })

  test('[W7] sending the same form again asks once and leads to the same place', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const answers = await Promise.all([send(visitor, page, path, 'Once?'), send(visitor, page, path, 'Once?')])
    answers.push(await send(visitor, page, path, ' Once? \r\n'))
    expect(new Set(answers.map(pathOf)).size).toBe(1)
    const { payload } = await visitor.request('GET', path)
    expect(payload.match(/<p class="app-message__text" data-text>Once\?<\/p>/g)).toHaveLength(1)
  })

  test('[W7] going back and changing the question asks the changed one, once', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    await send(visitor, page, path, 'First?')
    const changed = [await send(visitor, page, path, 'Second?'), await send(visitor, page, path, 'Second?')]
    expect(changed.map(({ statusCode }) => statusCode)).toEqual([303, 303])
    expect(new Set(changed.map(pathOf)).size).toBe(1)
    const { payload } = await visitor.request('GET', path)
    expect(payload.match(/data-text>(First|Second)\?</g)).toHaveLength(2)
  })

  test.each([
    ['', 'Enter your question'],
    [' \n ', 'Enter your question'],
    ['x'.repeat(2_001), 'Your question must be 2,000 characters or less'],
    ['a\u0000<b>', 'Your question must only include letters, numbers, punctuation and symbols'],
  ])('[W8] a question that cannot be asked (case %#) comes back with what is wrong and what was typed', async (typed, problem) => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const { statusCode, payload } = await send(visitor, page, path, typed)
    expect(statusCode).toBe(400)
    expect(payload).toMatch(/<title>Error: /)
    expect(payload).toContain(`<a href="#message">${problem}</a>`)
    expect(payload).toMatch(new RegExp(`id="message-error"[^]*${problem}`))
    expect(payload).toMatch(/<textarea[^>]*aria-describedby="[^"]*message-hint message-error/)
    const escaped = typed.replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    expect(payload).toContain(`>${escaped}</textarea>`)
    // The same hidden id: mending the question and sending it is still the one question.
    expect(fields(payload, '/messages')['clientMessageId']).toBe(fields(page, '/messages')['clientMessageId'])
  })

  test('[W8] too many questions in a minute are kept in the box, with the time to wait, and are no error', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    let last: ServerInjectResponse | undefined
    for (let count = 0; count < 16; count += 1) {
      const { payload } = await visitor.request('GET', path)
      last = await send(visitor, payload, path, `Question ${count}`)
      if (last.statusCode === 303) await gateway.answer('Yes.')
    }
    expect(last?.statusCode).toBe(429)
    expect(last?.payload).toContain('>Question 15</textarea>')
    expect(text(last?.payload ?? '')).toMatch(/You can send the next one in \d+ seconds\. Your question has been kept\./)
    expect(last?.payload).toMatch(/<div id="error-summary"><\/div>/)
  })

  test('[W11] people and agents write text, never markup', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    await send(visitor, page, path, '<script>alert(1)</script>\n</li><img src=x>')
    await gateway.answer('<img src=x onerror=alert(2)></div>')
    const { payload } = await visitor.request('GET', path)
    expect(payload).toContain('&lt;script&gt;alert(1)&lt;/script&gt;\n&lt;/li&gt;&lt;img src=x&gt;</p>')
    expect(payload).not.toMatch(/<img|<script>alert/)
  })
})

describe('waiting', () => {
  test('[W9] the page after a question waits for its outcome', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const sent = await send(visitor, page, path, 'Wait?')
    const waiting = visitor.request('GET', waitPath(sent))
    await isWaiting(gateway)
    await gateway.answer('Here.')
    await gateway.clock.advance(200)
    const { payload } = await waiting
    expect(text(payload)).toContain('Here.')
    expect(payload).not.toContain('Check for your answer')
    expect(gateway.clock.waiting).toBe(0)
  })

  test('[W9] after 8 seconds it shows what there is and how to look again', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const sent = await send(visitor, page, path, 'Slow?')
    const waiting = visitor.request('GET', waitPath(sent))
    await isWaiting(gateway)
    const claim = await gateway.claim()
    await gateway.log.write(claim, [
      { kind: 'turn-started', turnId: claim.turnId, attempt: 1, fence: claim.fence },
      { kind: 'answer-part', turnId: claim.turnId, attempt: 1, index: 0, persona: undefined, text: 'One.\n\nTwo.\n\nTh' },
    ])
    await gateway.clock.advance(PAGE_WAIT_MAX_MS)
    await gateway.clock.settle()
    const { payload } = await waiting
    expect(text(payload)).toContain('One. Two. Th')
    expect(text(payload)).toContain('The assistant is working on your answer.')
    expect(payload).toContain(`href="${pathOf(sent)}"`)
    expect(gateway.clock.waiting).toBe(0)
  })

  test('[W9] it does not wait for what has its outcome or is not there, nor while the server drains', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const sent = await send(visitor, page, path, 'Wait?')
    const draining = visitor.request('GET', waitPath(sent))
    await isWaiting(gateway)
    await gateway.server.stop({ timeout: 1 })
    expect((await draining).statusCode).toBe(200)
    await gateway.answer('Done.')
    expect((await visitor.request('GET', waitPath(sent))).statusCode).toBe(200)
    const unknown = mintMessageId(1, (count) => new Uint8Array(count))
    expect((await visitor.request('GET', `${path}?wait=${unknown}`)).statusCode).toBe(200)
  })
})

describe('what can be done', () => {
  test('[W10] an answer that is being written can be stopped, and a question that waits cancelled', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    await send(visitor, page, path, 'First?')
    const second = await visitor.request('GET', path)
    await send(visitor, second.payload, path, 'Second?')
    const { payload } = await visitor.request('GET', path)
    expect(text(payload)).toContain('Waiting for the assistant. There is 1 question before yours.')
    await gateway.claim()
    const stopped = await post(visitor, `${path}/stop`, fields(payload, '/stop'))
    expect(stopped.statusCode).toBe(303)
    expect(gateway.events.of('stopRequested')).toHaveLength(1)
    expect(text(payload.slice(payload.indexOf('Second?')))).toContain('Cancel')
    await post(visitor, `${path}/cancel`, fields(payload.slice(payload.indexOf('Second?')), '/cancel'))
    expect(text((await visitor.request('GET', path)).payload)).toContain('You cancelled this question.')
  })

  test('[W10] asking again asks the same words as a new question that names the old one, once', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    await send(visitor, page, path, 'Again?')
    await gateway.answer('Half', 'stopped')
    const { payload } = await visitor.request('GET', path)
    expect(text(payload)).toContain('You stopped this answer. It may not be complete.')
    const form = fields(payload, '/ask-again')
    expect((await post(visitor, `${path}/ask-again`, form)).statusCode).toBe(303)
    expect((await post(visitor, `${path}/ask-again`, form)).statusCode).toBe(303)
    const { body } = await visitor.json('GET', `/api/v1/sessions/${path.split('/')[2] ?? ''}/messages`)
    const { messages } = body as { messages: readonly { role: string; content: string; metadata: { inReplyTo?: string } }[] }
    const asked = messages.filter(({ role }) => role === 'user')
    expect(asked.map(({ content }) => content)).toEqual(['Again?', 'Again?'])
    expect(asked[1]?.metadata.inReplyTo).toBe(form['inReplyTo'])
  })

  test('[W42] the rest of an answer that was cut off is asked for by a new question that says so, and what was shown stays', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    await send(visitor, page, path, 'How deep is the Thames?')
    await gateway.answer('Quite d', 'interrupted')
    const { payload } = await visitor.request('GET', path)
    expect(text(payload)).toContain('This answer was cut off and is not complete. Get the rest of the answer : How deep is the Thames?')
    await post(visitor, `${path}/ask-again`, fields(payload, '/ask-again'))
    await gateway.answer('eep.')
    const shown = await visitor.request('GET', path)
    expect(text(shown.payload)).toMatch(/Quite d .*You at 9:00am Give me the rest of your answer to: How deep is the Thames\? .*eep\./)
  })

  test('[W10] deleting asks first and then removes the conversation from the list', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    const confirm = await visitor.request('GET', `${path}/delete`)
    expect(text(confirm.payload)).toContain('Are you sure you want to delete this conversation?')
    expect((await visitor.request('GET', '/conversations')).payload).toContain(`href="${path}"`)
    expect(pathOf(await post(visitor, `${path}/delete`, fields(confirm.payload, '/delete')))).toMatch(/^\/conversations\?/)
    expect(text((await visitor.request('GET', '/conversations')).payload)).toContain('You have no conversations.')
    expect((await visitor.request('GET', path)).statusCode).toBe(404)
  })

  test('[W10] the chat link leads to the newest conversation, or to the start', async () => {
    await using gateway = await createPages()
    expect(pathOf(await gateway.visitor().request('GET', '/chat'))).toBe('/')
    const { visitor, path } = await begin(gateway)
    expect(pathOf(await visitor.request('GET', '/chat'))).toBe(path)
    expect((await visitor.request('GET', '/')).payload).toContain('href="/chat"')
  })

  test('[W12] a long conversation shows its latest items, and the earlier ones by links', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    for (let count = 1; count <= 12; count += 1) {
      const { payload } = await visitor.request('GET', path)
      await send(visitor, payload, path, `Question ${count}.`)
      await gateway.answer('Yes.')
      await gateway.clock.advance(5_000)
    }
    const latest = await visitor.request('GET', path)
    expect(latest.payload.match(/<li class="app-message /g)?.length).toBe(SNAPSHOT_ITEMS_MAX + 3)
    expect(text(latest.payload)).not.toContain('Question 2.')
    const earlier = /href="([^"]*before=\d+)"/.exec(latest.payload)?.[1] ?? ''
    const before = await visitor.request('GET', earlier)
    expect(text(before.payload)).toContain('Question 2.')
    expect(text(before.payload)).not.toContain('Question 3.')
    expect(before.payload).toContain('Show the latest messages')
  })
})

describe('when something is wrong', () => {
  test('[W13] a closed conversation keeps the text and offers a new one, which asks it', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const confirm = await visitor.request('GET', `${path}/delete`)
    await post(visitor, `${path}/delete`, fields(confirm.payload, '/delete'))
    const closed = await send(visitor, page, path, 'Too late?')
    expect(closed.statusCode).toBe(404)
    expect(text(closed.payload)).toContain('This conversation has closed')
    expect(closed.payload).toContain('>Too late?</textarea>')
    const moved = await post(visitor, '/conversations', { ...fields(closed.payload, '/conversations'), question: 'Too late?' })
    // A browser that sends the form again ends up in the same place.
    const again = await post(visitor, '/conversations', { ...fields(closed.payload, '/conversations'), question: 'Too late?' })
    expect(pathOf(again)).toBe(pathOf(moved))
    expect(pathOf(moved)).toContain(`?wait=${fields(page, '/messages')['clientMessageId'] ?? ''}#`)
  })

  test('[W13] somebody else has no such conversation', async () => {
    await using gateway = await createPages()
    const { path } = await begin(gateway)
    const stranger = gateway.visitor()
    for (const url of [path, `${path}/delete`]) {
      const { statusCode, payload } = await stranger.request('GET', url)
      expect([statusCode, text(payload).includes('This conversation has closed')]).toEqual([404, true])
    }
  })

  test('[W13] a form that is too old comes back with the text, and can be sent as it is', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const form: Record<string, string> = { ...fields(page, '/messages'), question: 'Old <form>?', csrf: 'old' }
    const old = await post(visitor, `${path}/messages`, form)
    expect(old.statusCode).toBe(403)
    expect(text(old.payload)).toContain('Send your question again. The page was open for a long time.')
    expect(old.payload).toContain('>Old &lt;form&gt;?</textarea>')
    const again = fields(old.payload, '/messages')
    expect(again['clientMessageId']).toBe(form['clientMessageId'])
    expect((await post(visitor, `${path}/messages`, { ...again, question: 'Old <form>?' })).statusCode).toBe(303)
  })

  test('[W13] while nothing can be kept the text stays with the person, and the start page still comes up', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    gateway.level = 'offline'
    const refused = await send(visitor, page, path, 'Kept?')
    expect(refused.statusCode).toBe(503)
    expect(text(refused.payload)).toContain('You cannot send questions at the moment')
    expect(refused.payload).toContain('>Kept?</textarea>')
    expect(text(refused.payload)).toMatch(/If you contact us, give reference [0-9A-Z]{4}-[0-9A-Z]{2}\./)
    expect((await visitor.request('GET', path)).statusCode).toBe(503)
    for (const url of ['/', '/help', '/privacy', '/cookies', '/accessibility']) {
      expect((await visitor.request('GET', url)).statusCode).toBe(200)
    }
    gateway.level = 'full'
    const sent = await post(visitor, `${path}/messages`, { ...fields(refused.payload, '/messages'), question: 'Kept?' })
    expect(sent.statusCode).toBe(303)
  })

  test('[W13] an address that leads nowhere does not make a new visitor of anyone', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    await visitor.request('GET', '/nowhere')
    expect((await visitor.request('GET', path)).statusCode).toBe(200)
  })

  test('[W13] an address that leads nowhere says so and has nothing to report', async () => {
    await using gateway = await createPages()
    const { statusCode, payload } = await gateway.visitor().request('GET', '/nowhere')
    expect([statusCode, text(payload).includes('Page not found'), payload.includes('reference')]).toEqual([404, true, false])
  })

  test('[W14] while the assistant is away the page says that questions are kept', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    gateway.isAgentAway = true
    expect(text((await visitor.request('GET', path)).payload)).toContain('We will keep it and answer when the assistant is working again.')
  })

  test('[W110][W111] the page says how long answers take, and nothing of a live link that is away', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    Object.assign(gateway, { level: 'limited', away: ['link'] })
    const connection = async (): Promise<unknown> =>
      /<div id="connection"[^>]*>(?:<p class="govuk-body">([^<]*)<\/p>)?<\/div>/.exec((await visitor.request('GET', path)).payload)?.[1]
    expect(await connection()).toBe(undefined)
    gateway.answersTakeMs = 120_000
    expect(await connection()).toBe('Answers are taking longer than usual. Yours may take about 2 minutes.')
  })

  test('[W80][W81] the page after a question to an assistant that is away is shown at once, with other help that is no answer', async () => {
    await using gateway = await createPages()
    gateway.isAgentAway = true
    const { visitor, path, page } = await begin(gateway)
    const sent = await send(visitor, page, path, 'How deep is it?')
    // The clock stands still: nothing was waited for.
    const { payload } = await visitor.request('GET', waitPath(sent))
    expect(text(payload)).toMatch(
      /How deep is it\? Sent at 9:00am\. Waiting for the assistant\. Cancel.* Information from this service, not from the assistant at 9:00am Sorry, the assistant is not working/,
    )
    const notice = /<li class="app-message app-message--notice[^]*?<\/li>\s*<\/ol>/.exec(payload)?.[0] ?? ''
    expect(notice).toMatch(/<a class="govuk-link" href="\/help\/slow-answers"[^>]*>Slow answers<\/a>/)
    expect(notice).toMatch(/<a class="govuk-link" href="#other-help"[^>]*>get help another way<\/a>/)
    expect(notice).not.toContain('written by AI')
    expect(payload).toContain('id="other-help"')
    expect(text(payload)).toContain('Your question is waiting for the assistant.')
    gateway.isAgentAway = false
    await gateway.answer('Very.')
    const answered = text((await visitor.request('GET', path)).payload)
    expect(answered).toMatch(/Information from this service.*Assistant.*Very\..*written by AI/)
  })

  test('[W81] a page that is held back for a question that is being cancelled comes with its end', async () => {
    await using gateway = await createPages()
    gateway.isAgentAway = true
    const { visitor, path, page } = await begin(gateway)
    await send(visitor, page, path, 'How deep is it?')
    await gateway.clock.settle()
    const claim = await gateway.claim()
    const cancelled = await post(visitor, `${path}/cancel`, fields((await visitor.request('GET', path)).payload, '/cancel'))
    const held = visitor.request('GET', waitPath(cancelled))
    await isWaiting(gateway)
    const end = { outcome: 'stopped', reason: 'asked-to-stop', parts: 0, chars: 0, sha256: '' } as const
    await gateway.log.write(claim, [{ kind: 'turn-ended', turnId: claim.turnId, attempt: 0, ...end }])
    expect(text((await held).payload)).toContain('You cancelled this question.')
  })

  test('[W81] a page that is held back comes when other help does', async () => {
    await using gateway = await createPages()
    const { visitor, path, page } = await begin(gateway)
    const sent = await send(visitor, page, path, 'How deep is it?')
    const held = visitor.request('GET', waitPath(sent))
    await isWaiting(gateway)
    gateway.isAgentAway = true
    await send(visitor, (await visitor.request('GET', path)).payload, path, 'And how wide?')
    expect(text((await held).payload)).toContain('Information from this service, not from the assistant')
  })
})

describe('other pages', () => {
  test('[W15] help pages are the team’s own, rendered as safely as answers', async () => {
    await using gateway = await createPages()
    const visitor = gateway.visitor()
    const list = await visitor.request('GET', '/help')
    expect(list.payload).toContain('<a class="govuk-link" href="/help/other">Other &lt;help&gt;</a>')
    const page = await visitor.request('GET', '/help/how-the-assistant-works')
    expect(page.payload).toContain('It <strong>thinks</strong>.')
    expect(page.payload).toContain('<h2 class="govuk-heading-m">More</h2>')
    expect(text(list.payload)).toMatch(/For everyone How it works In short\. For people on call Other/)
    expect(page.payload).not.toContain('<script>alert')
    expect((await visitor.request('GET', '/help/none')).statusCode).toBe(404)
  })

  test('[W16] files are found by their name and nothing else is', async () => {
    await using gateway = await createPages()
    const visitor = gateway.visitor()
    expect((await visitor.request('GET', '/assets/generic-1.css')).payload).toBe('a{}')
    for (const name of ['', 'none.css', '../package.json', '..%2f..%2fpackage.json', '%00']) {
      expect((await visitor.request('GET', `/assets/${name}`)).statusCode).toBeGreaterThanOrEqual(400)
    }
  })

  test('[W17] the crown is for GOV.UK domains only', async () => {
    await using generic = await createPages()
    await using govuk = await createPages({ brand: 'govuk' })
    const crowns = await Promise.all([generic, govuk].map(async (gateway) => (await gateway.visitor().request('GET', '/')).payload))
    expect(crowns.map((html) => /govuk-header__logotype|Crown copyright/.test(html))).toEqual([false, true])
    expect(crowns.map((html) => /<title>([^<]*)</.exec(html)?.[1])).toEqual(['Ask a test', 'Ask a test – GOV.UK'])
  })

  test('[W18] the data for the script cannot end its element, and every inline script has the nonce', async () => {
    await using gateway = await createPages()
    const { visitor, path } = await begin(gateway)
    const { payload, headers } = await visitor.request('GET', path)
    const data = /<script type="application\/json" id="page-data">([\s\S]*?)<\/script>/.exec(payload)?.[1] ?? ''
    expect(JSON.parse(data)).toMatchObject({ session: path.split('/')[2] })
    expect(data).not.toContain('<')
    const nonce = /'nonce-([^']*)'/.exec(String(headers['content-security-policy']))?.[1] ?? 'none'
    const inline = [...payload.matchAll(/<script(?![^>]*(?:src=|application\/json))([^>]*)>/g)]
    expect(inline.map(([, attributes]) => attributes)).toEqual([` nonce="${nonce}"`])
    expect(headers['cache-control']).toBe('no-store')
  })
})

test('[H3] a visitor is still known at an address that does not exist, whatever is posted there', async () => {
  await using gateway = await createPages()
  const visitor = gateway.visitor()
  const session = await visitor.session()
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'question=Where%3F&clientMessageId=' }
  expect((await visitor.request('GET', '/nowhere')).statusCode).toBe(404)
  expect((await visitor.request('POST', '/nowhere', form)).statusCode).toBe(404)
  expect((await visitor.json('GET', `/api/v1/sessions/${session}`)).status).toBe(200)
})
