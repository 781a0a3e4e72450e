import { describe, expect, test } from 'vitest'
import { createTestGateway } from '../testing/test-gateway.ts'
import { securityHeaders } from './security-headers.ts'
import { createPaths } from './paths.ts'

const paths = createPaths('')

const NAMES = Object.keys(securityHeaders({ isProduction: false, publicOrigin: undefined, paths }))

const nonceIn = (policy: unknown): string | undefined => /'nonce-([^']+)'/.exec(String(policy))?.[1]

describe('every answer', () => {
  const requests: readonly (readonly [string, string, number])[] = [
    ['GET', '/api/v1/status', 200],
    ['POST', '/api/v1/sessions', 201],
    ['GET', '/api/v1/nothing', 404],
    ['PUT', '/api/v1/status', 405],
    ['GET', '/api/%', 400],
    ['GET', '/nothing', 404],
    ['GET', '/fail', 500],
    ['GET', '/moved', 302],
  ]
  test.each(requests)('[E17] to %s %s (%i) carries the headers', async (method, url, status) => {
    await using gateway = await createTestGateway()
    gateway.server.route({
      method: 'GET',
      path: '/fail',
      handler: () => {
        throw new Error('broken')
      },
    })
    gateway.server.route({ method: 'GET', path: '/moved', handler: (_request, h) => h.redirect('/') })
    const response = await gateway.visitor().request(method, url)
    expect([response.statusCode, NAMES.filter((name) => !(name in response.headers))]).toEqual([status, []])
  })
  test('[E18] has a nonce of its own in its policy, and nothing inline without it', async () => {
    await using gateway = await createTestGateway()
    const policies = await Promise.all(
      Array.from({ length: 5 }, async () => (await gateway.visitor().request('GET', '/api/v1/status')).headers['content-security-policy']),
    )
    expect(new Set(policies.map(nonceIn)).size).toBe(5)
    for (const policy of policies) {
      expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'nonce-[A-Za-z0-9+/]{22}=='; style-src 'self'; /)
      expect(policy).not.toContain('unsafe')
    }
  })
  test('[E18] without a nonce lets no inline script run', () => {
    expect(securityHeaders({ isProduction: false, publicOrigin: undefined, paths })['content-security-policy']).toContain(
      "script-src 'self';",
    )
  })
  test.each([
    [true, 'https://chat.example', true],
    [true, 'http://chat.example', false],
    [false, 'https://chat.example', false],
    [true, undefined, false],
  ])('[E19] in production (%s) at %s asks for https only: %s', (isProduction, publicOrigin, expected) => {
    expect('strict-transport-security' in securityHeaders({ isProduction, publicOrigin, paths })).toBe(expected)
  })
  test('[E17] says what they must say', () => {
    expect(securityHeaders({ isProduction: false, publicOrigin: undefined, paths })).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': expect.stringContaining('camera=(), '),
    })
  })
})
