import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { GUIDANCE_HITS_MAX, GUIDANCE_PAGE_CHARS_MAX, GUIDANCE_PAGES_MAX } from '../conversation/limits.ts'
import { GuidanceError, loadGuidance } from './guidance.ts'
import { plainText } from './guidance-page.ts'
import { QUESTION_PAIRS, UNRELATED_QUESTIONS } from './question-pairs.ts'

const bundled = path.resolve(import.meta.dirname, '../../guidance')
let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'guidance-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const put = (name: string, content: string | Uint8Array): void => writeFileSync(path.join(folder, name), content)

async function problems(): Promise<readonly string[]> {
  const error: unknown = await loadGuidance(folder).catch((cause: unknown) => cause)
  if (!(error instanceof GuidanceError)) throw new Error('the folder was accepted', { cause: error })
  for (const { file, problem } of error.faults) expect(error.message).toContain(`${file}: ${problem}`)
  return error.faults.map(({ file, problem }) => `${path.basename(file)}: ${problem}`)
}

test('[G1] every .md file is a page under its name, and nothing else is', async () => {
  put('opening-hours.md', '# Opening hours\n\nFrom 9 to 5.')
  put('notes.txt', 'not a page')
  mkdirSync(path.join(folder, 'drafts.md'))
  const guidance = await loadGuidance(folder)
  expect(guidance.pages).toEqual([
    {
      slug: 'opening-hours',
      title: 'Opening hours',
      summary: 'From 9 to 5.',
      audience: 'people',
      order: 9_999,
      keywords: '',
      text: 'From 9 to 5.',
      sections: [{ heading: '', text: 'From 9 to 5.' }],
    },
  ])
  expect(guidance.page('opening-hours')).toBe(guidance.pages[0])
  expect(guidance.page('notes')).toBeUndefined()
})

test('[G2] front matter says title, summary, audience, order and keywords', async () => {
  put(
    'hours.md',
    '\uFEFF---\r\ntitle: "On call: hours"\r\nsummary: When.\r\naudience: on-call\r\norder: 7\r\nkeywords: open shut\r\n---\r\n\r\nText.\r\n',
  )
  expect((await loadGuidance(folder)).pages).toEqual([
    {
      slug: 'hours',
      title: 'On call: hours',
      summary: 'When.',
      audience: 'on-call',
      order: 7,
      keywords: 'open shut',
      text: 'Text.',
      sections: [{ heading: '', text: 'Text.' }],
    },
  ])
})

test('[G2] a title in the front matter wins over the first heading, which is not shown twice', async () => {
  put('a.md', '---\ntitle: Short\n---\n# Long title\n\nText.')
  expect((await loadGuidance(folder)).pages[0]).toMatchObject({ title: 'Short', text: 'Text.' })
})

test('[G2] a summary that is not given is the first paragraph as plain text, cut between words', async () => {
  put('a.md', `# A\n\n**Bold** [link](https://example.org) ${'word '.repeat(60)}\n\nSecond.`)
  const summary = (await loadGuidance(folder)).pages[0]?.summary ?? ''
  expect(summary).toMatch(/^Bold link word word .* word …$/)
  expect(summary.length).toBeLessThan(210)
})

test('[G2] sections begin at second-level headings, but not inside code', async () => {
  put('a.md', '# A\n\nIntro.\n\n## One ##\n\nFirst.\n\n```sh\n## not a heading\n```\n\n### Deeper\n\nStill one.\n\n## Two\n\nSecond.')
  expect((await loadGuidance(folder)).pages[0]?.sections).toEqual([
    { heading: '', text: 'Intro.' },
    { heading: 'One', text: 'First.\n\n```sh\n## not a heading\n```\n\n### Deeper\n\nStill one.' },
    { heading: 'Two', text: 'Second.' },
  ])
})

test('[G2] plain text is what people see of Markdown', () => {
  expect(
    plainText('## Head\n\n- *one* [two](/help/x)\n1. `three`\n\n> four\n\n| a | b |\n|---|---|\n| c | d |\n\n```sh\nhidden\n```\nend'),
  ).toBe('Head one two three four a b c d end')
})

test('[G3] pages are listed by audience, order and title', async () => {
  put('a.md', '---\naudience: on-call\norder: 1\n---\n# On call\n\nText.')
  put('b.md', '---\naudience: teams\n---\n# Teams\n\nText.')
  put('c.md', '# Zebra\n\nText.')
  put('d.md', '# Apple\n\nText.')
  put('e.md', '---\norder: 2\n---\n# Second\n\nText.')
  put('f.md', '---\norder: 1\n---\n# Urgent\n\nText.')
  expect((await loadGuidance(folder)).pages.map(({ title }) => title)).toEqual(['Urgent', 'Second', 'Apple', 'Zebra', 'Teams', 'On call'])
})

test.each([
  ['a.md', '', 'it has no title: begin it with "# Title", or put "title:" into its front matter'],
  ['a.md', 'Just text.', 'it has no title: begin it with "# Title", or put "title:" into its front matter'],
  ['a.md', '# Title\n\n', 'it has a title and nothing else'],
  ['a.md', `# ${'x'.repeat(101)}\n\nText.`, 'its title is longer than 100 characters'],
  ['a.md', '---\ntitle: A\n', 'the front matter has no closing "---"'],
  ['a.md', '---\ntitel: A\n---\nText.', 'line 2 names "titel", which is none of title, summary, audience, order, keywords'],
  ['a.md', '---\ntitle: A\ntitle: B\n---\nText.', 'line 3 gives "title" a second time'],
  ['a.md', '---\njust words\n---\nText.', 'line 2 is not of the form "name: value"'],
  ['a.md', '---\ntitle: A\naudience: all\n---\nText.', 'audience must be one of people, teams, on-call'],
  ['a.md', '---\ntitle: A\norder: first\n---\nText.', 'order must be a whole number from 0 to 9999'],
  ['a.md', Uint8Array.of(0x23, 0x20, 0xff, 0xfe, 0x0a, 0x41), 'it is not UTF-8 text'],
  ['a.md', '# A\n\nText\u0000.', 'it is not UTF-8 text'],
  ['a.md', `# A\n\n${'x'.repeat(GUIDANCE_PAGE_CHARS_MAX)}`, `it is longer than ${GUIDANCE_PAGE_CHARS_MAX} characters`],
  ['a.md', `# A\n\n${'x'.repeat(GUIDANCE_PAGE_CHARS_MAX * 4)}`, `it is longer than ${GUIDANCE_PAGE_CHARS_MAX} characters`],
  ['My Page.md', '# A\n\nText.', 'the name must be lower-case letters, digits and single hyphens, and end in .md'],
])('[G4] the page %s with %j is refused', async (name, content, problem) => {
  put(name, content)
  expect(await problems()).toEqual([`${name}: ${problem}`])
})

test('[G4] one error names every page that cannot be used', async () => {
  put('a.md', 'No title.')
  put('b.md', '# Good\n\nText.')
  put('c.md', '# Empty')
  symlinkSync(path.join(folder, 'nowhere'), path.join(folder, 'd.md'))
  expect(await problems()).toEqual([
    'a.md: it has no title: begin it with "# Title", or put "title:" into its front matter',
    'c.md: it has a title and nothing else',
    'd.md: it cannot be read (ENOENT)',
  ])
})

test('[G5] a folder that cannot be read, or has no pages, is refused by its name', async () => {
  expect(await problems()).toEqual([`${path.basename(folder)}: the folder has no .md files`])
  rmSync(folder, { recursive: true })
  expect(await problems()).toEqual([`${path.basename(folder)}: the folder cannot be read (ENOENT)`])
  writeFileSync(folder, 'a file')
  expect(await problems()).toEqual([`${path.basename(folder)}: the folder cannot be read (ENOTDIR)`])
})

test('[G5] a folder with too many pages is refused', async () => {
  for (let index = 0; index <= GUIDANCE_PAGES_MAX; index += 1) put(`page-${index}.md`, '# A\n\nText.')
  expect(await problems()).toEqual([`${path.basename(folder)}: the folder has more than ${GUIDANCE_PAGES_MAX} pages`])
})

test('[G6] a link to a page that is not there is refused', async () => {
  put('a.md', '# A\n\n[Good](/help/b#part), [bad](/help/c) and [outside](https://example.org/help/d).')
  put('b.md', '# B\n\n[Back](/help/a).')
  expect(await problems()).toEqual(['a.md: it links to /help/c, and there is no c.md'])
})

test('[G10] the section that says most about the question comes with the page', async () => {
  const guidance = await loadGuidance(bundled)
  const [match] = guidance.search('how do I cancel a question that is waiting')
  expect(match).toMatchObject({ page: { slug: 'stop-an-answer' }, section: { heading: 'Cancel a question that is waiting' } })
})

test('[G10] when no section stands out it is the first', async () => {
  put('opening.md', '---\ntitle: Zebra crossings\n---\nIntro.\n\n## More\n\nText.')
  const [match] = (await loadGuidance(folder)).search('zebra')
  expect(match?.section).toEqual({ heading: '', text: 'Intro.' })
})

test('[G11] there are questions enough to measure with', () => {
  expect(QUESTION_PAIRS.length).toBeGreaterThanOrEqual(40)
  expect(new Set(QUESTION_PAIRS.map(([question]) => question)).size).toBe(QUESTION_PAIRS.length)
})

test('[G11] the right page is first for 80 % of the questions and among the first three for 95 %', async () => {
  const guidance = await loadGuidance(bundled)
  expect(QUESTION_PAIRS.filter(([, slug]) => guidance.page(slug) === undefined)).toEqual([])
  const places = QUESTION_PAIRS.map(([question, slug]) => guidance.search(question).findIndex(({ page }) => page.slug === slug))
  const share = (isGood: (place: number) => boolean): number => places.filter(isGood).length / places.length
  expect(share((place) => place === 0)).toBeGreaterThanOrEqual(0.8)
  expect(share((place) => place >= 0 && place < 3)).toBeGreaterThanOrEqual(0.95)
})

test('[G9][G11] questions that have nothing to do with the guidance find nothing', async () => {
  const guidance = await loadGuidance(bundled)
  const wrong = UNRELATED_QUESTIONS.filter((question) => guidance.search(question).length > 0)
  expect(wrong).toEqual([])
})

test('[G12] a search gives no more pages than asked for, and never more than the bound', async () => {
  const guidance = await loadGuidance(bundled)
  expect(guidance.search('assistant question answer', 2)).toHaveLength(2)
  expect(guidance.search('answer', 1_000).length).toBeLessThanOrEqual(GUIDANCE_HITS_MAX)
})

test('[G12] a question as long as one can be, and longer, is searched for', async () => {
  const guidance = await loadGuidance(bundled)
  const words = Array.from({ length: 20_000 }, (_, index) => `xword${index}`).join(' ')
  expect(guidance.search(`delete ${words}`)).toEqual([])
})

test('[G13] the bundled guidance has pages for everybody, each with a summary', async () => {
  const { pages } = await loadGuidance(bundled)
  expect(pages.length).toBeGreaterThanOrEqual(12)
  expect(new Set(pages.map(({ audience }) => audience))).toEqual(new Set(['people', 'teams', 'on-call']))
  expect(pages.filter(({ summary, keywords }) => summary === '' || keywords === '').map(({ slug }) => slug)).toEqual([])
})
