import fc from 'fast-check'
import { expect, test } from 'vitest'
import { personalInformationIn } from './personal-information.ts'

test.each([
  ['my number is AB123456C, what now?', ['national-insurance-number']],
  ['ab 12 34 56 d', ['national-insurance-number']],
  ['JG-10-37-59-A', ['national-insurance-number']],
  ['I paid with 4111 1111 1111 1111.', ['payment-card']],
  ['5555555555554444', ['payment-card']],
  ['378282246310005 expired', ['payment-card']],
  ['write to jo.bloggs+farm@example.co.uk please', ['email-address']],
  ['élise@example.fr', ['email-address']],
  ['ring me on 07700 900123', ['mobile-number']],
  ['+44 7700 900 123', ['mobile-number']],
  ['+44(0)7700900123', ['mobile-number']],
  ['AB123456C or me@example.com', ['national-insurance-number', 'email-address']],
])('[W43] %j may hold %j', (text, kinds) => {
  expect(personalInformationIn(text)).toEqual(kinds)
})

test.each([
  ['a single business identifier', 'My SBI is 106284736'],
  ['a tax reference', 'UTR 1234567890 and 12345 67890'],
  ['a holding number', 'CPH 07/123/4567 and 07/770/0900'],
  ['a VAT number', 'GB 123 4567 82, GB123456782'],
  ['a company number', 'SC123456, 01234567'],
  ['sums of money', '£1500000, £4,111,111,111,111,111 and 4111111111111111.50'],
  ['a case reference', 'EPR/AB1234CD/V002 and 4111-1111-1111-1112'],
  ['a grid reference', 'SU 123456 and NY 12345 67890'],
  ['a telephone line of an office', '0300 020 0301 or 03459 335577 or 020 7946 0018'],
  ['an address of a public body', 'Can I write to enquiries@environment-agency.gov.uk or x@nhs.uk?'],
  ['dates and times', '07/07/2026 07:00, 2026-07-01T09:00:00Z'],
  ['a National Insurance number that nobody has', 'QQ123456C, GB123456A, AB123456E'],
  ['a long row of digits', '12345678901234567890'],
  ['an identifier of ours', '018f3c2e-7a10-7c3e-9d2b-5b1f0a6c4e01'],
  ['an ear tag', 'UK 123456 700001'],
  ['a name with an at sign', 'follow @defra on social media'],
])('[W43] %s is nobody’s secret', (_what, text) => {
  expect(personalInformationIn(text)).toEqual([])
})

test('[W43] whatever the text, the search ends soon', () => {
  for (const piece of ['0', '4', '4 ', 'a.', 'a@', 'a@a.', '+44', 'AB12', '-', '07']) personalInformationIn(piece.repeat(16_384))
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      personalInformationIn(text)
    }),
  )
})
