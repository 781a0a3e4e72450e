/** The example of docs/embedding.md as a team would run it: a hapi server of its own, with the chat below a prefix. */
import { expect, test } from 'vitest'
import { createHeldAgent } from '../held-agent.ts'
import { startProcess } from '../processes.ts'
import { temporaryFolder } from '../server-process.ts'
import { accessibilityFaults, ask, launchBrowser } from './browser.ts'

test('[H61][H62] the chat lives below its prefix, with and without JavaScript, and leaves the rest of the server alone', async () => {
  using folder = temporaryFolder()
  await using agent = await createHeldAgent()
  const env = { PORT: '0', DATA_DIR: folder.path, AGENT_URL: agent.url, SERVICE_NAME: 'Ask about permits' }
  await using server = startProcess('examples/chat-in-your-server.ts', { env })
  const url = await server.line((line) => /^Listening on (\S+)$/.exec(line)?.[1])
  const browser = await launchBrowser()
  const faults: string[] = []
  for (const javaScriptEnabled of [true, false]) {
    const context = await browser.newContext({ baseURL: url, javaScriptEnabled })
    context.setDefaultTimeout(15_000)
    context.on('response', (response) => {
      if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`)
    })
    context.on('weberror', (error) => faults.push(error.error().message))
    const page = await context.newPage()
    await page.goto('/')
    await page.getByRole('link', { name: 'Ask a question' }).click()
    await page.getByRole('button', { name: 'Start now' }).click()
    const asked = ask(page, 'Is it here?')
    const question = await agent.asked()
    if (javaScriptEnabled) {
      question.say('It **is**, see [help](/help/what-sent-means).\n\nNow')
      await page.locator('#messages strong').waitFor()
    } else question.say('It **is**, see [help](/help/what-sent-means).\n\nNow')
    question.say(' and then.')
    question.finish()
    await asked
    await page.getByText('This answer was written by AI').waitFor()
    if (javaScriptEnabled) faults.push(...(await accessibilityFaults(page)))
    const paths = await page
      .locator('a:visible')
      .evaluateAll((links) => links.map((link) => (link instanceof HTMLAnchorElement ? link.pathname : '')))
    expect(paths.filter((path) => !/^\/assistant(?:\/|$)/.test(path))).toEqual([])
    await page.getByRole('link', { name: 'help', exact: true }).click()
    await page.getByRole('link', { name: 'Your conversations' }).click()
    await page.getByRole('link', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Delete this conversation' }).click()
    await page.getByText('The conversation was deleted').waitFor()
    await context.close()
  }
  await browser.close()
  expect(faults).toEqual([])

  const own = await fetch(url)
  const form = await fetch(`${url}/own-form`, {
    method: 'POST',
    body: JSON.stringify({ name: 'x' }),
    headers: { 'content-type': 'application/json' },
  })
  const unknown = await fetch(`${url}/nowhere`)
  const ours = await fetch(`${url}/assistant/conversations/none`)
  const names = ['content-security-policy', 'x-request-id', 'set-cookie', 'permissions-policy']
  const headersOf = (response: Response): readonly string[] => names.filter((name) => response.headers.has(name))
  expect([own, form, unknown, ours].map(({ status }) => status)).toEqual([200, 200, 404, 404])
  expect([headersOf(own), headersOf(form), headersOf(unknown)]).toEqual([[], [], []])
  expect(headersOf(ours)).toEqual(names)
  expect([await form.json(), await unknown.json()]).toEqual([{ received: { name: 'x' } }, expect.objectContaining({ error: 'Not Found' })])
  expect(await ours.text()).toContain('This conversation has closed')
  server.signal('SIGTERM')
  expect(await server.exited).toEqual({ code: 0, signal: null })
})
