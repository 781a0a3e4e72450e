import { describe, expect, test } from 'vitest'
import { FALLBACK_PAGES_MAX } from '../conversation/limits.ts'
import { fallbackText } from './fallback-text.ts'
import type { Audience, GuidanceMatch } from './guidance.ts'

const match = (slug: string, title = `About ${slug}`, summary = `All of ${slug}.`, audience: Audience = 'people'): GuidanceMatch => ({
  page: { slug, title, summary, audience, order: 1, keywords: '', text: '', sections: [] },
  score: 1,
  section: { heading: '', text: '' },
})

describe('other help', () => {
  test('[G20] says that the question is kept, names the pages that may help, and where else to get help', () => {
    expect(fallbackText([match('tea'), match('milk')], 'waiting')).toBe(`\
Sorry, the assistant is not working at the moment. Your question has been kept. It will be answered when the assistant is working again.

These pages may help:

- [About tea](/help/tea): All of tea.
- [About milk](/help/milk): All of milk.

If you need an answer now, [get help another way](#other-help).`)
  })

  test('[G20] says of a question that failed that it could not be answered, and promises nothing', () => {
    expect(fallbackText([match('tea')], 'failed')).toBe(`\
The assistant could not answer this.

This page may help:

- [About tea](/help/tea): All of tea.

If you need an answer now, [get help another way](#other-help).`)
  })

  test('[G20] names the best three pages, best first', () => {
    const text = fallbackText(
      ['a', 'b', 'c', 'd', 'e'].map((slug) => match(slug)),
      'waiting',
    )
    expect([...text.matchAll(/\/help\/(\w)/g)].map(([, slug]) => slug)).toEqual(['a', 'b', 'c'])
    expect(FALLBACK_PAGES_MAX).toBe(3)
  })

  test('[G20] names pages for teams and people on call only when there is none for people with a question', () => {
    const onCall = match('pager', 'Pager', 'Beep.', 'on-call')
    expect(fallbackText([onCall, match('tea')], 'waiting')).not.toContain('/help/pager')
    expect(fallbackText([onCall], 'waiting')).toContain('/help/pager')
  })

  test('[G21] says so when no page has to do with the question', () => {
    const waiting = fallbackText([], 'waiting')
    expect(waiting).toContain('Your question has been kept.')
    expect(waiting).toContain('We did not find a help page about your question.')
    expect(fallbackText([], 'failed')).toContain('We did not find a help page about it.')
    expect(waiting).toContain('[get help another way](#other-help)')
  })

  test('[G22] shows titles and summaries as they are, whatever Markdown would make of them', () => {
    const text = fallbackText([match('x', 'A [b](https://evil.test) `c` *d*', '<b>1</b>\n# 2 ![p](q) | ~~e~~ & \\')], 'waiting')
    expect(text).toContain(String.raw`- [A \[b\](https://evil.test) \`c\` \*d\*](/help/x): \<b\>1\</b\> # 2 !\[p\](q) \| \~\~e\~\~ \& \\`)
  })
})
