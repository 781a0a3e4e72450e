/** Questions that a page sends by requests, under the count of its own device. */
import { expect, test } from 'vitest'
import { createTestGateway, type TestVisitor } from '../testing/test-gateway.ts'

const DEVICE = 'd'.repeat(24)
const id = (number: number): string => `018f3c2e-7a10-7c3e-9d2b-5b1f0a6c4e0${number}`

const send = (visitor: TestVisitor, session: string, number: number, numbered: unknown = { device: DEVICE, number }) =>
  visitor.json('POST', `/api/v1/sessions/${session}/messages`, { id: id(number), content: `Question ${number}?`, metadata: { numbered } })

test('[H56] a question with the device’s next number is answered with its place in the log, again when it is sent again', async () => {
  await using gateway = await createTestGateway()
  const visitor = gateway.visitor()
  const session = await visitor.session()
  expect(await send(visitor, session, 1)).toMatchObject({ status: 200, body: { status: 'sent', accepted: { seq: 1, duplicate: false } } })
  expect(await send(visitor, session, 2)).toMatchObject({ status: 200, body: { accepted: { seq: 2, duplicate: false } } })
  expect(await send(visitor, session, 1)).toMatchObject({ status: 200, body: { accepted: { seq: 1, duplicate: true } } })
  gateway.isAgentAway = true
  expect(await send(visitor, session, 3)).toMatchObject({ status: 202, body: { status: 'queued', accepted: { seq: expect.any(Number) } } })
})

test('[H56] one that is not next is refused with the number that is, and asked once it is', async () => {
  await using gateway = await createTestGateway()
  const visitor = gateway.visitor()
  const session = await visitor.session()
  const error = { code: 'MESSAGE_OUT_OF_ORDER', isRetryable: true, details: { expectedNumber: 1 } }
  expect(await send(visitor, session, 2)).toMatchObject({ status: 409, body: { error } })
  await send(visitor, session, 1)
  expect(await send(visitor, session, 2)).toMatchObject({ status: 200, body: { accepted: { seq: 2, duplicate: false } } })
})

test('[H56] the server’s own device, half a number and what is none are invalid', async () => {
  await using gateway = await createTestGateway()
  const visitor = gateway.visitor()
  const session = await visitor.session()
  for (const numbered of [
    { device: 'server', number: 1 },
    { device: DEVICE },
    { number: 1 },
    { device: DEVICE, number: 0 },
    { device: DEVICE, number: 1.5 },
    { device: 'D', number: 1 },
    { device: DEVICE, number: 1, more: 1 },
  ]) {
    expect(await send(visitor, session, 1, numbered)).toMatchObject({ status: 400, body: { error: { code: 'VALIDATION_ERROR' } } })
  }
})
