import { expect, test } from 'vitest'
import { formatFrames } from '../protocol/parse-frame.ts'
import { plainProfile, type ServiceProfile } from '../service-profile/service-profile.ts'
import { parseProfile } from '../service-profile/parse-profile.ts'
import { begin, createPages, fields, pathOf, post, send, text, waitPath } from '../testing/test-pages.ts'
import { SocketSessionPlay } from '../testing/socket-session-play.ts'

const profile = (source: string): ServiceProfile => {
  const result = parseProfile(source, 'Ask a test')
  if (!result.ok) throw new Error('not a profile')
  return result.profile
}

const WHOLE = profile(`
name: Ask about permits
topic: environmental permits
organisation: Environment Agency
assistant: Permit assistant
phase: beta
feedback: https://example.gov.uk/feedback
contact:
  text: Our advisers can help.
  telephone: 0300 020 0301
  hours: Monday to Friday
  email: permits@example.gov.uk
  links: [{ text: Write to us, href: https://example.gov.uk/contact }]
footer: [{ text: Terms, href: /help/terms }]
notice: { heading: Answers are slow, text: We are working on it., link: { text: Status, href: https://status.example.gov.uk/ } }
`)

const CLOSED = profile('questions: { open: false, text: You can ask again on Monday. }')

test('[W32] every page has what the team says of the service, and help in the same place', async () => {
  await using gateway = await createPages()
  gateway.service = WHOLE
  const { visitor, path, page } = await begin(gateway)
  const urls = ['/', '/conversations', `${path}/delete`, '/help', '/help/other', '/privacy', '/nowhere', '/conversations/none']
  const pages = [page, ...(await Promise.all(urls.map(async (url) => (await visitor.request('GET', url)).payload)))]
  for (const html of pages) {
    const said = text(html)
    expect(said).toMatch(
      /^.*Environment Agency .*Ask about permits .*Beta This is a new service\. Help us improve it and give your feedback ?\./,
    )
    expect(said).toContain('Important Answers are slow We are working on it. Status')
    expect(said).toMatch(
      /Get help another way Our advisers can help\. Telephone: 0300 020 0301 Monday to Friday Email: permits@example\.gov\.uk Write to us You can also read the help pages \. Support links/,
    )
    expect(said).toMatch(/Accessibility statement Cookies Privacy How we use AI Terms $/)
    expect(html.indexOf('id="incident"')).toBeLessThan(html.indexOf('<h1'))
    expect(html.match(/<h1/g)).toHaveLength(1)
    expect(html.match(/id="other-help"/g)).toHaveLength(1)
  }
  expect(text(page)).toContain('Ask about environmental permits')
})

test('[W32] a notice never stands beside an error summary', async () => {
  await using gateway = await createPages()
  gateway.service = WHOLE
  const { visitor, path, page } = await begin(gateway)
  const { payload } = await send(visitor, page, path, '')
  expect([payload.includes('error-summary-title') || payload.includes('govuk-error-summary"'), payload.includes('id="incident"')]).toEqual([
    true,
    false,
  ])
})

test('[W32] the assistant has the name that the team gave it, on the page and for its script', async () => {
  await using gateway = await createPages()
  gateway.service = WHOLE
  const { visitor, path, page } = await begin(gateway)
  await send(visitor, page, path, 'Who?')
  await gateway.answer('I.')
  const { payload } = await visitor.request('GET', path)
  expect(payload).toContain('<span data-heading>Permit assistant</span>')
  expect(payload).toContain('"assistant":"Permit assistant"')
  expect(payload).toContain('"fallbackHeading":"Information from Environment Agency, not from the assistant"')
})

test('[W29] without a service file the pages have the name and the help pages', async () => {
  await using gateway = await createPages()
  const { payload } = await gateway.visitor().request('GET', '/')
  expect(text(payload)).toContain('Get help another way If the assistant cannot help, read the help pages .')
  for (const part of ['govuk-phase-banner', 'id="incident"', 'govuk-service-navigation__service-name']) expect(payload).not.toContain(part)
})

test('[W33] nothing of it becomes markup', async () => {
  await using gateway = await createPages()
  const evil = '<img src=x onerror=alert(1)>"\'&{help}'
  const link = { text: evil, href: 'https://example.gov.uk/?a="><script>alert(2)</script>' }
  gateway.service = {
    ...plainProfile(evil),
    topic: evil,
    organisation: evil,
    assistant: evil,
    phase: { name: 'alpha', feedbackHref: link.href },
    contact: { paragraphs: [evil], telephone: evil, hours: evil, email: evil, links: [link] },
    footerLinks: [link],
    notice: { heading: evil, paragraphs: [evil], link },
    questions: { areOpen: false, paragraphs: [evil] },
  }
  const visitor = gateway.visitor()
  const session = await visitor.session()
  for (const url of ['/', '/conversations', `/conversations/${session}`, '/privacy', '/nowhere']) {
    const { payload } = await visitor.request('GET', url)
    expect(payload).toContain('&lt;img src=x onerror=alert(1)&gt;')
    expect(payload).not.toMatch(/<img|<script>alert|"><script/)
  }
})

test('[W34] while questions are switched off the pages say so, keep what was typed, and show what there is', async () => {
  await using gateway = await createPages()
  const { visitor, path, page } = await begin(gateway)
  const asked = await send(visitor, page, path, 'Before?')
  gateway.service = CLOSED
  const refused = await send(visitor, (await visitor.request('GET', path)).payload, path, 'Kept?')
  expect(refused.statusCode).toBe(503)
  expect(refused.payload).toContain('>Kept?</textarea>')
  expect(text(refused.payload)).toContain(
    'You cannot ask questions at the moment You can ask again on Monday. Your question has not been sent.',
  )
  await gateway.answer('What was asked is answered.')
  const shown = await visitor.request('GET', waitPath(asked))
  expect(text(shown.payload)).toContain('What was asked is answered.')
  expect(shown.payload).toMatch(/<form id="composer"[^>]* hidden>/)
  for (const url of ['/', '/conversations']) {
    const { payload } = await visitor.request('GET', url)
    expect([text(payload).includes('You cannot ask questions at the moment'), payload.includes('action="/conversations"')]).toEqual([
      true,
      false,
    ])
  }
  gateway.service = plainProfile('Ask a test')
  const again = await post(visitor, `${path}/messages`, { ...fields(refused.payload, '/messages'), question: 'Kept?' })
  expect(again.statusCode).toBe(303)
})

test('[W34] a conversation that would begin with a question keeps it', async () => {
  await using gateway = await createPages()
  const { visitor, path, page } = await begin(gateway)
  const confirm = await visitor.request('GET', `${path}/delete`)
  await post(visitor, `${path}/delete`, fields(confirm.payload, '/delete'))
  const closed = await send(visitor, page, path, 'Kept?')
  gateway.service = CLOSED
  const refused = await post(visitor, '/conversations', { ...fields(closed.payload, '/conversations'), question: 'Kept?' })
  expect([refused.statusCode, refused.payload.includes('>Kept?</textarea>')]).toEqual([503, true])
  gateway.service = plainProfile('Ask a test')
  const sent = await post(visitor, '/conversations', { ...fields(refused.payload, '/conversations'), question: 'Kept?' })
  expect(pathOf(sent)).toContain('?wait=')
})

test('[W34] neither the API nor the live link takes one', async () => {
  await using gateway = await createPages()
  gateway.service = CLOSED
  const visitor = gateway.visitor()
  const session = await visitor.session()
  const refused = await visitor.json('POST', `/api/v1/sessions/${session}/messages`, { content: 'Is it open?' })
  expect([refused.status, Object(refused.body).error.code, refused.headers['retry-after']]).toEqual([503, 'QUESTIONS_CLOSED', '5'])
  const play = await SocketSessionPlay.create()
  play.service = CLOSED
  const { socket, session: link } = await play.open()
  socket.take()
  link.received(formatFrames([play.question()]))
  await play.clock.settle()
  expect(socket.take()).toEqual(['rejected unavailable'])
})
