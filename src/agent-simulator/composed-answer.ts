/** What the simulated agent says: the part of the guidance that fits the question, in Markdown, and where to read more. Pure. */
import type { Guidance, GuidanceMatch } from '../guidance/guidance.ts'

const MATCHES_MAX = 3

/** The answer to a question, from the guidance alone. Honest when it finds nothing. */
export function composeAnswer(question: string, guidance: Guidance): string {
  const [best, ...others] = guidance.search(question, MATCHES_MAX)
  return best === undefined ? nothingFound(guidance) : [found(best), ...related(others)].join('\n\n')
}

function found({ page, section }: GuidanceMatch): string {
  const heading = section.heading === '' ? page.title : section.heading
  // A page's introduction that is one line stands better with its summary's context.
  const text = section.text === '' ? page.summary : section.text
  return [`## ${heading}`, text, `Read more: ${linkTo(page)}.`].join('\n\n')
}

const related = (matches: readonly GuidanceMatch[]): readonly string[] =>
  matches.length === 0 ? [] : ['These pages may help as well:', matches.map(({ page }) => `- ${linkTo(page)}`).join('\n')]

function nothingFound(guidance: Guidance): string {
  const some = guidance.pages.filter(({ audience }) => audience === 'people').slice(0, MATCHES_MAX)
  const pages = some.length > 0 ? some : guidance.pages.slice(0, MATCHES_MAX)
  return [
    'I could not find anything about that. I am the agent simulator of this service, and I know its help pages and nothing else.',
    'You can ask about things such as:',
    pages.map((page) => `- ${linkTo(page)}`).join('\n'),
  ].join('\n\n')
}

const linkTo = ({ slug, title }: { readonly slug: string; readonly title: string }): string =>
  `[${title.replace(/[[\]\\]/g, '\\$&')}](/help/${slug})`

const WORDS = /\s*\S+\s*?(?=\s|$)|\s+$/g
const letters = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** The text in the pieces in which it is sent; put together again they are the text. */
export function piecesOf(text: string, by: 'word' | 'letter'): readonly string[] {
  if (by === 'letter') return [...letters.segment(text)].map(({ segment }) => segment)
  return text.match(WORDS) ?? []
}
