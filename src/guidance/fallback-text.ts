/**
 * What a person is told when the agent cannot answer: the pages of the team's own guidance that have to do with their question.
 *
 * Markdown, in words of the service's own: it is kept as an entry of the conversation and rendered as answers are. Pure.
 */
import { FALLBACK_PAGES_MAX } from '../conversation/limits.ts'
import type { GuidanceMatch } from './guidance.ts'

/** `waiting`: the question is kept and will be asked. `failed`: it had its outcome. */
export type FallbackSituation = 'waiting' | 'failed'

/** Where the chat page says how else a person can get help. */
const OTHER_HELP = '#other-help'

const OPENINGS: Readonly<Record<FallbackSituation, string>> = {
  waiting:
    'Sorry, the assistant is not working at the moment. Your question has been kept. It will be answered when the assistant is working again.',
  failed: 'The assistant could not answer this.',
}

const NOTHING_FOUND: Readonly<Record<FallbackSituation, string>> = {
  waiting: 'We did not find a help page about your question.',
  failed: 'We did not find a help page about it.',
}

/**
 * `matches`: what a search for the question found, best first. At most `FALLBACK_PAGES_MAX` of them are named; pages for teams and for
 * people on call only when there is none for people with a question.
 */
export function fallbackText(matches: readonly GuidanceMatch[], situation: FallbackSituation): string {
  const forPeople = matches.filter(({ page }) => page.audience === 'people')
  const pages = (forPeople.length > 0 ? forPeople : matches).slice(0, FALLBACK_PAGES_MAX)
  const help =
    pages.length === 0
      ? [NOTHING_FOUND[situation]]
      : [pages.length === 1 ? 'This page may help:' : 'These pages may help:', pages.map(pageLine).join('\n')]
  return [OPENINGS[situation], ...help, `If you need an answer now, [get help another way](${OTHER_HELP}).`].join('\n\n')
}

const pageLine = ({ page }: GuidanceMatch): string => `- [${literal(page.title)}](/help/${page.slug}): ${literal(page.summary)}`

/** Text that Markdown takes as it stands: titles and summaries are plain text. */
const literal = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\`*_~[\]<>&|]/g, String.raw`\$&`)
