/**
 * The team's own guidance: Markdown files of one folder, served as help pages and searched for answers.
 *
 * Read once at start, whole, or not at all: a page that cannot be used stops the start with one error that names every file and
 * what is wrong with it, so that nobody finds out from a missing page.
 */
import { readFile, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { GUIDANCE_HITS_MAX, GUIDANCE_PAGE_CHARS_MAX, GUIDANCE_PAGES_MAX, QUESTION_BYTES_MAX } from '../conversation/limits.ts'
import { AUDIENCES, type Audience } from './front-matter.ts'
import { GuidanceError, type PageFault } from './guidance-error.ts'
import { linkedSlugs, parseGuidancePage, plainText, type GuidancePage, type GuidanceSection, type PageResult } from './guidance-page.ts'
import { createSearchIndex, type SearchIndex } from './search-index.ts'

export type { Audience } from './front-matter.ts'
export { fallbackText, type FallbackSituation } from './fallback-text.ts'
export { GuidanceError } from './guidance-error.ts'
export type { GuidancePage, GuidanceSection } from './guidance-page.ts'

/** A page that has to do with a question. */
export interface GuidanceMatch {
  readonly page: GuidancePage
  /** Above 0; comparable within one search only. */
  readonly score: number
  /** The part of the page that says most about it. */
  readonly section: GuidanceSection
}

export interface Guidance {
  /** In the order of the list: by audience, then by each page's own order, then by title. */
  readonly pages: readonly GuidancePage[]
  page(slug: string): GuidancePage | undefined
  /**
   * Pages for a question in a person's own words, best first. Empty when no page has to do with it.
   *
   * @param limit - at most `GUIDANCE_HITS_MAX`, which is also the default
   */
  search(question: string, limit?: number): readonly GuidanceMatch[]
}

const TITLE_WEIGHT = 5
const KEYWORDS_WEIGHT = 3.5
const SUMMARY_WEIGHT = 2
const HEADING_WEIGHT = 2.5
const TEXT_WEIGHT = 1
/** Most who ask are people with a question. */
const LIKELIHOOD: Readonly<Record<Audience, number>> = { people: 1, teams: 0.85, 'on-call': 0.85 }
/** UTF-8 needs at most this many bytes for one UTF-16 unit. */
const BYTES_PER_CHAR_MAX = 3

/**
 * Reads every `.md` file of `folder`; other files and folders in it are left alone.
 *
 * @throws GuidanceError naming each file that cannot be used, or the folder.
 */
export async function loadGuidance(folder: string): Promise<Guidance> {
  const files = await listFiles(folder)
  const read = await Promise.all(files.map(async (file) => ({ file, result: await readPage(folder, file) })))
  const faults: PageFault[] = read.flatMap(({ file, result }) => (result.ok ? [] : [{ file, problem: result.problem }]))
  const pages = read.flatMap(({ result }) => (result.ok ? [result.page] : []))
  if (faults.length === 0) faults.push(...brokenLinks(pages))
  if (faults.length > 0) throw new GuidanceError(faults)
  return createGuidance(pages)
}

/** Guidance over pages that are there already. */
function createGuidance(unordered: readonly GuidancePage[]): Guidance {
  const pages = unordered.toSorted(byPlace)
  const bySlug = new Map(pages.map((page) => [page.slug, page]))
  const index = createSearchIndex(pages.map(searchable))
  const sectionIndexes = new Map<string, SearchIndex>()
  const sectionsOf = (page: GuidancePage): SearchIndex => {
    const made = sectionIndexes.get(page.slug) ?? createSearchIndex(page.sections.map(searchableSection))
    sectionIndexes.set(page.slug, made)
    return made
  }
  return {
    pages,
    page: (slug) => bySlug.get(slug),
    search(question, limit = GUIDANCE_HITS_MAX) {
      // Beyond what can be a question nobody reads on.
      const asked = question.slice(0, QUESTION_BYTES_MAX)
      return index.search(asked, Math.min(limit, GUIDANCE_HITS_MAX)).flatMap((hit) => {
        const page = pages[hit.index]
        if (page === undefined) return []
        const best = sectionsOf(page).search(asked, 1)[0]
        const section = page.sections[best?.index ?? 0]
        return section === undefined ? [] : [{ page, score: hit.score, section }]
      })
    },
  }
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const fault = (problem: string, cause?: unknown): GuidanceError => new GuidanceError([{ file: folder, problem }], { cause })
  let names: readonly string[]
  try {
    names = (await readdir(folder, { withFileTypes: true })).filter((entry) => !entry.isDirectory()).map(({ name }) => name)
  } catch (cause) {
    throw fault(`the folder cannot be read (${codeOf(cause)})`, cause)
  }
  const files = names.filter((name) => name.endsWith('.md')).toSorted()
  if (files.length === 0) throw fault('the folder has no .md files')
  if (files.length > GUIDANCE_PAGES_MAX) throw fault(`the folder has more than ${GUIDANCE_PAGES_MAX} pages`)
  return files
}

async function readPage(folder: string, file: string): Promise<PageResult> {
  const where = path.join(folder, file)
  try {
    // Before it is in memory: anything may have been put there.
    const { size } = await stat(where)
    if (size > GUIDANCE_PAGE_CHARS_MAX * BYTES_PER_CHAR_MAX) {
      return { ok: false, problem: `it is longer than ${GUIDANCE_PAGE_CHARS_MAX} characters` }
    }
    return parseGuidancePage(file, await readFile(where, 'utf8'))
  } catch (cause) {
    return { ok: false, problem: `it cannot be read (${codeOf(cause)})` }
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'

function brokenLinks(pages: readonly GuidancePage[]): readonly PageFault[] {
  const known = new Set(pages.map(({ slug }) => slug))
  return pages.flatMap((page) =>
    linkedSlugs(page)
      .filter((slug) => !known.has(slug))
      .map((slug) => ({ file: `${page.slug}.md`, problem: `it links to /help/${slug}, and there is no ${slug}.md` })),
  )
}

const byPlace = (a: GuidancePage, b: GuidancePage): number =>
  AUDIENCES.indexOf(a.audience) - AUDIENCES.indexOf(b.audience) || a.order - b.order || (a.title < b.title ? -1 : 1)

const searchable = (page: GuidancePage) => ({
  fields: [
    { text: page.title, weight: TITLE_WEIGHT },
    { text: page.keywords, weight: KEYWORDS_WEIGHT },
    { text: page.summary, weight: SUMMARY_WEIGHT },
    { text: page.sections.map(({ heading }) => heading).join('\n'), weight: HEADING_WEIGHT },
    { text: plainText(page.text), weight: TEXT_WEIGHT },
  ],
  likelihood: LIKELIHOOD[page.audience],
})

const searchableSection = ({ heading, text }: GuidanceSection) => ({
  fields: [
    { text: heading, weight: HEADING_WEIGHT },
    { text: plainText(text), weight: TEXT_WEIGHT },
  ],
  likelihood: 1,
})
