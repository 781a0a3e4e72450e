import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { plainAccessibilityFaults, ask, createSite, sidewaysScroll, type Site } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite({ SERVICE_NAME: 'Ask about permits' })
})
afterAll(() => site[Symbol.asyncDispose]())

const ANSWER = [
  'You can apply in **two ways**.\n\n## Online\n\nUse the [permit service](https://www.gov.uk/permit) or [a guide](https://example.com/guide).\n\n',
  '1. Check\n2. Fill in\n   - a map\n\n| Work | Fee |\n|---|---|\n| Small | £170 |\n| averyveryverylongwordwithoutanybreaksinitatallwhichneverends | £3,000 |\n\n',
  '```\nsome_code_without_any_space_that_is_longer_than_a_narrow_window_is_wide()\n```\n\n> Quoted.\n\nDone.',
].join('')

const plain = { javaScriptEnabled: false }

describe('without JavaScript', () => {
  test('[W6][W9][W24] a question is asked, answered, and read, on pages that pass every check', async () => {
    const visitor = await site.visitor(plain)
    const page = await visitor.begin()
    const faults = [await plainAccessibilityFaults(page)]
    const asked = ask(page, 'How do I apply?')
    const question = await site.agent.asked()
    question.say(ANSWER)
    question.finish()
    await asked
    await page.getByText('Done.').waitFor()
    expect(await page.getByText('This answer was written by AI and may be wrong.').isVisible()).toBe(true)
    expect(await page.getByRole('button', { name: 'Stop' }).isVisible()).toBe(false)
    faults.push(await plainAccessibilityFaults(page))
    expect(faults.flat()).toEqual([])
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[W9][W10] a slow answer is looked for again, and stopped by a form', async () => {
    const visitor = await site.visitor(plain)
    const page = await visitor.begin()
    const sent = ask(page, 'Slow?')
    const question = await site.agent.asked()
    question.say('The first part.\n\nThe sec')
    await sent
    await page.getByText('The assistant is working on your answer.').waitFor()
    expect(await page.getByText('The sec').isVisible()).toBe(true)
    expect(await plainAccessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Stop' }).click()
    await question.ended
    await page.getByText('You stopped this answer. It may not be complete.').waitFor()
    expect(await page.getByText('The first part.').isVisible()).toBe(true)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[W24] no page needs sideways scrolling at 320 px, and each passes every check', async () => {
    const visitor = await site.visitor({ ...plain, viewport: { width: 320, height: 640 } })
    const page = await visitor.begin()
    const conversation = new URL(page.url()).pathname
    const asked = ask(page, `How wide is ${'w'.repeat(300)}?`)
    const question = await site.agent.asked()
    question.say(ANSWER)
    question.finish()
    await asked
    const found: unknown[] = [[page.url(), await sidewaysScroll(page), await plainAccessibilityFaults(page)]]
    for (const path of [
      '/',
      '/conversations',
      `${conversation}/delete`,
      '/help',
      '/help/settings',
      '/privacy',
      '/cookies',
      '/accessibility',
      '/no',
    ]) {
      await page.goto(path)
      found.push([path, await sidewaysScroll(page), await plainAccessibilityFaults(page)])
    }
    expect(found).toEqual(found.map((one) => [(one as readonly unknown[])[0], 0, []]))
    await visitor.context.close()
  })

  test('[W8][W24] what is wrong with a question is found with the keyboard alone', async () => {
    const visitor = await site.visitor(plain)
    const page = await visitor.begin()
    await page.getByLabel('Your question').focus()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'There is a problem' }).waitFor()
    expect(await page.title()).toMatch(/^Error: /)
    expect(await plainAccessibilityFaults(page)).toEqual([])
    await page.getByRole('link', { name: 'Enter your question' }).press('Enter')
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('message')
    await visitor.context.close()
  })
})
