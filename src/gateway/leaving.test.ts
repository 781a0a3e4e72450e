import { expect, test } from 'vitest'
import { ANSWER_LINK_CHARS_MAX } from '../conversation/limits.ts'
import { begin, createPages, send, text } from '../testing/test-pages.ts'
import type { TestGateway } from '../testing/test-gateway.ts'

/** The page after an answer, and the addresses of its links as they are in the HTML. */
async function answered(gateway: TestGateway, answer: string) {
  const { visitor, path, page } = await begin(gateway)
  await send(visitor, page, path, 'Where?')
  await gateway.answer(answer)
  const { payload } = await visitor.request('GET', path)
  const shown = payload.slice(payload.indexOf('<ol class="app-messages"'), payload.indexOf('</ol>\n'))
  const hrefs = [...shown.matchAll(/<a class="govuk-link" href="([^"]*)"/g)].map(([, href = '']) => href.replaceAll('&amp;', '&'))
  return { visitor, payload, hrefs }
}

test('[W35] a link to a stranger leads to a page that shows the whole address, and from there nowhere by itself', async () => {
  await using gateway = await createPages()
  const { visitor, payload, hrefs } = await answered(gateway, '[Pay here](https://evil.example/pay?d=SE"CRET&x=<b>)')
  expect(payload).toContain('Pay here (evil.example)</a>')
  expect(payload).not.toMatch(/href="https?:/)
  const page = await visitor.request('GET', hrefs[0] ?? '')
  expect([page.statusCode, page.headers['location']]).toEqual([200, undefined])
  expect(text(page.payload)).toContain('https://evil.example/pay?d=SE%22CRET&amp;x=%3Cb%3E')
  expect(text(page.payload)).toContain('Continue to evil.example')
  expect(page.payload).toMatch(/<a href="https:\/\/evil\.example\/pay\?d=SE%22CRET&amp;x=%3Cb%3E"[^>]* rel="noopener noreferrer nofollow"/)
  expect(page.payload).not.toMatch(/http-equiv|location\.href/)
})

test('[W35] an address that no answer of this service held is not shown', async () => {
  await using gateway = await createPages()
  const { visitor, hrefs } = await answered(gateway, '[a](https://evil.example/a)')
  const good = new URL(hrefs[0] ?? '', 'http://chat.test')
  const check = good.searchParams.get('check') ?? ''
  const others = [
    '/leaving',
    '/leaving?to=https://evil.example/a',
    `/leaving?to=https://evil.example/b&check=${check}`,
    `/leaving?to=https://evil.example/a&check=${check.slice(1)}`,
    `/leaving?to=https://evil.example/a&check=${check}&to=https://evil.example/b`,
    `/leaving?to=javascript:alert(1)&check=${check}`,
    `/leaving?to=/help/other&check=${check}`,
  ]
  expect((await visitor.request('GET', `${good.pathname}${good.search}`)).statusCode).toBe(200)
  for (const url of others) {
    const { statusCode, payload } = await visitor.request('GET', url)
    expect([url, statusCode, payload.includes('evil.example')]).toEqual([url, 404, false])
  }
})

test('[W2][W35] links to trusted hosts and to help pages lead there directly; one that is too long is no link', async () => {
  await using gateway = await createPages({ trustedLinkHosts: ['nhs.uk'] })
  const { hrefs } = await answered(
    gateway,
    `[a](https://www.nhs.uk/a) [b](/help/other) [c](https://www.gov.uk/c) [d](https://notnhs.uk:8443/d) [e](https://www.nhs.uk/${'e'.repeat(ANSWER_LINK_CHARS_MAX)})`,
  )
  expect(hrefs.slice(0, 4).map((href) => href.split('&check=')[0])).toEqual([
    'https://www.nhs.uk/a',
    '/help/other',
    '/leaving?to=https%3A%2F%2Fwww.gov.uk%2Fc',
    '/leaving?to=https%3A%2F%2Fnotnhs.uk%3A8443%2Fd',
  ])
  // And again in the list under the answer.
  expect(hrefs.slice(4)).toEqual(hrefs.slice(0, 4))
})

test('[W36] the links of an answer are listed under it, each once, when it has ended', async () => {
  await using gateway = await createPages()
  const { payload } = await answered(
    gateway,
    'See [the **guide**](https://www.gov.uk/guide), [again](https://www.gov.uk/guide) and [tax](https://www.gov.uk/tax).',
  )
  expect(text(payload)).toContain('Pages used in this answer the guide tax')
  expect(text(payload)).toContain('Check the pages below before you act on it.')
  const none = await answered(gateway, 'Nothing to see.')
  expect(none.payload.slice(0, none.payload.indexOf('<template'))).not.toContain('Pages used')
  expect(text(none.payload)).toContain('Check it before you act on it.')
})
