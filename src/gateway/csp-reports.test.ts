import { expect, test } from 'vitest'
import { CSP_REPORT_BYTES_MAX, CSP_REPORTS_PER_MINUTE_MAX } from '../conversation/limits.ts'
import { createTestGateway, type TestGateway } from '../testing/test-gateway.ts'

const report = async (gateway: TestGateway, payload: string, type = 'application/csp-report'): Promise<number> =>
  (await gateway.visitor().request('POST', '/csp-reports', { payload, headers: { 'content-type': type, origin: 'null' } })).statusCode

const violated = (directive: string): string =>
  JSON.stringify({ 'csp-report': { 'effective-directive': directive, 'blocked-uri': 'https://secret.example/' } })

test('[E40] every page names where to report, and a report is counted by its kind and nothing else of it is kept', async () => {
  await using gateway = await createTestGateway()
  const { headers } = await gateway.visitor().request('GET', '/api/v1/status')
  expect(headers['reporting-endpoints']).toBe('csp="/csp-reports"')
  expect(headers['content-security-policy']).toMatch(/; report-to csp; report-uri \/csp-reports$/)
  for (const directive of ['img-src', 'script-src-elem', 'form-action', 'style-src-attr', 'connect-src', 'frame-src', 'made-up']) {
    expect(await report(gateway, violated(directive))).toBe(204)
  }
  const several = ['require-trusted-types-for', undefined].map((effectiveDirective) => ({
    type: 'csp-violation',
    url: 'https://x/',
    body: { effectiveDirective },
  }))
  expect(await report(gateway, JSON.stringify([...several, { type: 'deprecation', body: {} }]), 'application/reports+json')).toBe(204)
  expect(gateway.events.of('contentBlocked').map(({ kind }) => kind)).toEqual([
    'image',
    'script',
    'form',
    'style',
    'request',
    'frame',
    'other',
    'script',
    'other',
  ])
})

test('[E41] whatever is sent is answered 204, sets no cookie and is no failure; too much of it is not counted', async () => {
  await using gateway = await createTestGateway()
  const nonsense = [
    '',
    '{',
    '[]',
    '{"csp-report":5}',
    '[1,{"type":"csp-violation","body":7}]',
    'x'.repeat(CSP_REPORT_BYTES_MAX + 1),
    '{"csp-report":{"effective-directive":{}}}',
  ]
  for (const payload of nonsense) expect(await report(gateway, payload)).toBe(204)
  const answer = await gateway.visitor().request('POST', '/csp-reports', { payload: '{}', headers: { 'content-type': 'text/plain' } })
  expect([answer.statusCode, answer.headers['set-cookie'], gateway.events.of('requestFailed')]).toEqual([204, undefined, []])
  expect(gateway.events.of('contentBlocked')).toEqual([])
  await gateway.clock.advance(60_000)
  for (let count = 0; count < CSP_REPORTS_PER_MINUTE_MAX + 5; count += 1) expect(await report(gateway, violated('img-src'))).toBe(204)
  expect(gateway.events.of('contentBlocked')).toHaveLength(CSP_REPORTS_PER_MINUTE_MAX)
  const many = JSON.stringify(Array.from({ length: 50 }, () => ({ type: 'csp-violation' })))
  await gateway.clock.advance(60_000)
  await report(gateway, many)
  expect(gateway.events.of('contentBlocked')).toHaveLength(CSP_REPORTS_PER_MINUTE_MAX + 10)
})
