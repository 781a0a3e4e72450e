/** The links of an answer, from its rendered blocks: what it says it was made from, and where to check it. */
import { ANSWER_LINKS_SHOWN_MAX } from '../conversation/limits.ts'
import type { AnswerBlock } from './render-answer.ts'

/** As the renderer writes them. */
const LINK = /<a class="govuk-link" href="([^"]*)"[^>]*>.*?<\/a>/gs

/** Each address once and none on the page itself, by the words it first has, as HTML of the renderer. */
export function linksIn(blocks: readonly AnswerBlock[]): readonly string[] {
  const links = new Map<string, string>()
  for (const { html } of blocks) {
    for (const [link, href = ''] of html.matchAll(LINK)) if (!links.has(href) && !href.startsWith('#')) links.set(href, link)
    if (links.size >= ANSWER_LINKS_SHOWN_MAX) break
  }
  return [...links.values()].slice(0, ANSWER_LINKS_SHOWN_MAX)
}
