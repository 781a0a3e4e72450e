import { expect, test } from 'vitest'
import { addressOf } from './request-address.ts'

test.each([
  ['no proxy is configured', 0, '203.0.113.9', '10.0.0.1'],
  ['one proxy saw it', 1, '203.0.113.9', '203.0.113.9'],
  ['somebody wrote addresses in front', 1, '1.1.1.1, 2.2.2.2, 203.0.113.9', '203.0.113.9'],
  ['two proxies saw it', 2, '1.1.1.1, 203.0.113.9, 10.0.0.2', '203.0.113.9'],
  ['fewer addresses than proxies', 3, '203.0.113.9, 10.0.0.2', '203.0.113.9'],
  ['it is an IPv6 address', 1, '2001:db8::7', '2001:db8::7'],
  ['it is no address', 1, '<script>', '10.0.0.1'],
  ['it is empty', 1, '', '10.0.0.1'],
  ['there is none', 1, undefined, '10.0.0.1'],
])('[H25] when %s', (_case, hops, forwardedFor, expected) => {
  expect(addressOf('10.0.0.1', { 'x-forwarded-for': forwardedFor }, hops)).toBe(expected)
})
