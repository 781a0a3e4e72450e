import { expect, test } from 'vitest'
import { formatFrames } from '../protocol/parse-frame.ts'
import { SocketSessionPlay } from '../testing/socket-session-play.ts'
import { TEST_SETTINGS } from '../testing/test-gateway.ts'
import { begin, createPages, fields, pathOf, post, send, text } from '../testing/test-pages.ts'

const SECRET = 'My number is AB123456C & me@example.com.'

test('[W44] a question that may hold personal information is asked about in its form, and goes as it is when the person says so', async () => {
  await using gateway = await createPages()
  const { visitor, path, page } = await begin(gateway)
  const asked = await send(visitor, page, path, SECRET)
  expect(asked.statusCode).toBe(422)
  expect(text(asked.payload)).toContain(
    'Your question may include a National Insurance number or an email address. The assistant does not need it. Change my question Send it anyway',
  )
  expect(asked.payload).toContain('>My number is AB123456C &amp; me@example.com.</textarea>')
  expect(asked.payload).toMatch(/<title>Not sent: /)
  expect(asked.payload).toMatch(/<div id="error-summary"><\/div>/)
  const form = fields(asked.payload, '/messages')
  expect(form['clientMessageId']).toBe(fields(page, '/messages')['clientMessageId'])
  expect((await post(visitor, `${path}/messages`, { ...form, question: SECRET })).statusCode).toBe(422)
  const sent = await post(visitor, `${path}/messages`, { ...form, question: SECRET, confirm: 'yes' })
  expect(sent.statusCode).toBe(303)
  await gateway.answer('Half', 'interrupted')
  const { payload } = await visitor.request('GET', path)
  expect((await post(visitor, `${path}/ask-again`, fields(payload, '/ask-again'))).statusCode).toBe(303)
})

test('[W44] so is one that begins a conversation, which is then there to send it in', async () => {
  await using gateway = await createPages()
  const { visitor, page } = await begin(gateway)
  const form = { ...fields(page, '/messages'), question: SECRET }
  const asked = await post(visitor, '/conversations', form)
  expect([asked.statusCode, asked.payload.includes('AB123456C')]).toEqual([422, true])
  const action = /<form id="composer"[^>]* action="([^"]*)"/.exec(asked.payload)?.[1] ?? ''
  const sent = await post(visitor, action, { ...fields(asked.payload, '/messages'), question: SECRET, confirm: 'yes' })
  expect(pathOf(sent)).toContain('?wait=')
})

test('[W45] where it is blocked it is an error in the form, in the API and on the live link; where nobody looks it is none', async () => {
  await using gateway = await createPages({ personalInformation: 'block' })
  const { visitor, path, page } = await begin(gateway)
  const refused = await post(visitor, `${path}/messages`, { ...fields(page, '/messages'), question: SECRET, confirm: 'yes' })
  expect(refused.statusCode).toBe(400)
  expect(text(refused.payload)).toContain(
    'There is a problem Your question must not include a National Insurance number or an email address',
  )
  expect(refused.payload).toContain('AB123456C')
  const { status, body } = await visitor.json('POST', `/api/v1/sessions/${path.split('/')[2] ?? ''}/messages`, { content: SECRET })
  expect([status, Object(body).error.details]).toEqual([
    400,
    [
      { where: 'body.content', problem: 'must not include what looks like: national insurance number' },
      { where: 'body.content', problem: 'must not include what looks like: email address' },
    ],
  ])
  const play = await SocketSessionPlay.create()
  play.settings = { ...TEST_SETTINGS, personalInformation: 'block' }
  const { socket, session } = await play.open()
  socket.take()
  session.received(formatFrames([play.question(1, SECRET)]))
  await play.clock.settle()
  expect(socket.take()).toEqual(['rejected invalid'])

  await using silent = await createPages({ personalInformation: 'off' })
  const other = await begin(silent)
  expect((await send(other.visitor, other.page, other.path, SECRET)).statusCode).toBe(303)
})

test('[W45] where the person decides, the API and the live link take it: they have no form to ask in', async () => {
  await using gateway = await createPages()
  const visitor = gateway.visitor()
  const session = await visitor.session()
  expect((await visitor.json('POST', `/api/v1/sessions/${session}/messages`, { content: SECRET })).status).toBe(200)
  const play = await SocketSessionPlay.create()
  const { socket, session: link } = await play.open()
  socket.take()
  link.received(formatFrames([play.question(1, SECRET)]))
  await play.clock.settle()
  expect(socket.take()).toContain('accepted')
})

test('[W46] a page about a question that was not sent says so in its title and leads there at once', async () => {
  await using gateway = await createPages()
  const { visitor, path } = await begin(gateway)
  let last
  for (let count = 0; count < 17; count += 1) {
    last = await send(visitor, (await visitor.request('GET', path)).payload, path, `Question ${count}?`)
  }
  expect(last?.statusCode).toBe(429)
  expect(last?.payload).toMatch(/<title>Not sent: /)
  expect(last?.payload).toMatch(
    /<div id="notice" class="govuk-inset-text"[^>]* autofocus="autofocus"|<div class="govuk-inset-text"[^>]* id="notice"[^>]* autofocus="autofocus"/,
  )
})
