import { readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PROFILE_LINKS_MAX, PROFILE_TEXT_CHARS_MAX } from '../conversation/limits.ts'
import { parseProfile } from './parse-profile.ts'
import { plainProfile } from './service-profile.ts'

const faults = (source: string): readonly string[] => {
  const result = parseProfile(source, 'Ask')
  return result.ok ? [] : result.faults.map(({ line, problem }) => `${line}: ${problem}`)
}

const WHOLE = `
# What people see
name: Ask about permits
topic: environmental permits
organisation: Environment Agency
assistant: Permit assistant
phase: beta
feedback: mailto:permits@example.gov.uk
contact:
  text: >
    Our advisers can help
    in English and Welsh.

    They cannot see this conversation.
  telephone: 03000200301
  hours: Monday to Friday, 8am to 6pm
  email: permits@example.gov.uk
  links:
    - text: Write to us
      href: https://www.gov.uk/contact
footer:
  - { text: Terms, href: /help/terms }
notice:
  heading: Answers are slower than usual
  text: We are working on it.
  link:
    text: Service status
    href: https://status.example.gov.uk/
questions:
  open: false
  text: You can ask again on Monday.
`

test('[W29] a service file says what the pages say of the service', () => {
  expect(parseProfile(WHOLE, 'Ask')).toEqual({
    ok: true,
    profile: {
      name: 'Ask about permits',
      topic: 'environmental permits',
      organisation: 'Environment Agency',
      assistant: 'Permit assistant',
      phase: { name: 'beta', feedbackHref: 'mailto:permits@example.gov.uk' },
      contact: {
        paragraphs: ['Our advisers can help in English and Welsh.', 'They cannot see this conversation.'],
        telephone: '03000200301',
        hours: 'Monday to Friday, 8am to 6pm',
        email: 'permits@example.gov.uk',
        links: [{ text: 'Write to us', href: 'https://www.gov.uk/contact' }],
      },
      footerLinks: [{ text: 'Terms', href: '/help/terms' }],
      notice: {
        heading: 'Answers are slower than usual',
        paragraphs: ['We are working on it.'],
        link: { text: 'Service status', href: 'https://status.example.gov.uk/' },
      },
      questions: { areOpen: false, paragraphs: ['You can ask again on Monday.'] },
    },
  })
})

test('[W29] the file that the documentation shows can be used', () => {
  const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/service-file.md'), 'utf8')
  const shown = /```yaml\n([^`]*)```/.exec(text)?.[1] ?? ''
  expect(parseProfile(shown, 'Ask')).toMatchObject({ ok: true, profile: { name: 'Ask about permits', questions: { areOpen: true } } })
})

test.each(['', '# nothing yet', 'name:\ncontact:\n  text:\nfooter: []', '{}'])(
  '[W29] what is not set or empty is as without a file: %j',
  (source) => {
    expect(parseProfile(source, 'Ask')).toEqual({ ok: true, profile: plainProfile('Ask') })
  },
)

test.each([
  ['nmae: x\nphase: gamma\n\nfooter: none', ['1: nmae is not known here', '2: phase must be alpha or beta', '4: footer must be a list']],
  [
    'contact:\n  emal: x\n  email: no\n  phone: 1',
    ['2: contact.emal is not known here', '3: contact.email must be an email address', '4: contact.phone is not known here'],
  ],
  ['notice:\n  text: x', ['1: notice.heading is missing']],
  ['footer:\n  - text: a\n    href: /b\n  - href: /c', ['4: footer[1].text is missing']],
  ['contact: x', ['1: contact must have lines of "name: value" below it']],
  ['name:\n  of: it', ['1: name must be text']],
  ['questions:\n  open: perhaps', ['2: questions.open must be true or false']],
  ['name: a\nfeedback: https://x.test/', ['2: feedback is shown beside the phase: set phase to alpha or beta as well']],
  ['- a', ['1: the file must be a list of "name: value" lines']],
  ['name: a\nname: b', ['2: this is not YAML: Map keys must be unique']],
  ['name: "a', ['1: this is not YAML: Missing closing "quote']],
  ['a: &x 1\nname: *x', ['2: aliases (*name) cannot be used']],
  ['name: !!js/function x', ['1: tags (!name) cannot be used']],
  ['name: "a\\u0007b"', ['1: name must be one line without control characters']],
  ['name: "a\\nb"', ['1: name must be one line without control characters']],
  [`name: ${'x'.repeat(101)}`, ['1: name must have 100 characters or fewer']],
  [`notice:\n  heading: a\n  text: ${'x'.repeat(PROFILE_TEXT_CHARS_MAX + 1)}`, ['3: notice.text must have 2000 characters or fewer']],
  [`footer:\n${'  - { text: a, href: /b }\n'.repeat(PROFILE_LINKS_MAX + 1)}`, ['1: footer must have 10 links or fewer']],
])('[W30] a file that cannot be used says where and what: %j', (source, expected) => {
  expect(faults(source)).toEqual(expected)
})

test.each([
  'javascript:alert(1)',
  'data:text/html,x',
  '//evil.test',
  '/\\evil.test',
  'https://www.gov.uk@evil.test/',
  'ftp://x.test',
  'evil.test',
  'mailto:',
  'https://',
])('[W30] %s is no address for a link', (href) => {
  expect(faults(`footer:\n  - text: a\n    href: "${href.replace('\\', '\\\\')}"`)).toEqual([
    '3: footer[0].href must start with https://, http:// or mailto:, or be a path of this service such as /help',
  ])
})

test('[W30] whatever the file holds, it is refused or taken, in time and without a word of it in the message', () => {
  const nested = ['[', '- ', '{a: ', '? ', '"', 'a:\n ', '&a [*a, '].map((piece) => piece.repeat(8_192 / piece.length))
  for (const source of nested) expect(parseProfile(source, 'Ask').ok).toBe(false)
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), fc.constantFrom('', 'name: ', 'contact:\n  '), (text, before) => {
      parseProfile(before + text, 'Ask')
    }),
    { seed: 7, numRuns: 200 },
  )
  expect(faults('feedback: secret-word\nphase: secret-word').join()).not.toContain('secret')
})
