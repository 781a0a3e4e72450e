/** What every page has in common: words, name and brand of the service, its files, and what its forms need. */
import type { Readable } from 'node:stream'
import type { Request, ResponseObject, ResponseToolkit } from '@hapi/hapi'
import type { GuidancePage } from '../guidance/guidance.ts'
import type { ProfileLink, ServiceProfile } from '../service-profile/service-profile.ts'
import { fill, type ItemWords } from '../page/page-data.ts'
import type { AssetPaths } from './assets.ts'
import { FORM_FIELDS } from './form-fields.ts'
import type { GatewayContext } from './gateway-context.ts'
import type { Paths } from './paths.ts'
import type { ViewName, Views } from './views.ts'
import { ENGLISH } from './words.ts'

/** A page of running text: Markdown under an address. */
export interface TextPage {
  /** Last part of its address: lower-case letters, digits and hyphens. */
  readonly slug: string
  readonly title: string
  /** Markdown, without the title. */
  readonly text: string
}

/** A page of the team's guidance, as the help pages show it. */
export type HelpPage = TextPage & Pick<GuidancePage, 'summary' | 'audience'>

export interface PageShell {
  readonly context: GatewayContext
  readonly views: Views
  readonly assets: AssetPaths
  readonly helpPages: readonly HelpPage[]
}

/** What one page says beside what all pages say. */
export interface PageModel {
  readonly title: string
  readonly section?: 'conversations' | 'help'
  readonly back?: { readonly text: string; readonly href: string }
  readonly hasError?: boolean
  /** Path of the conversation whose forms are on the page. */
  readonly base?: string
  readonly [more: string]: unknown
}

/** The help page that says how the assistant works, when the team has one; otherwise the list of all. */
const HOW_SLUG = 'how-the-assistant-works'

/** The HTML of a page, for this request only: its forms carry the visitor's token and its scripts the answer's nonce. */
export function renderPage(shell: PageShell, request: Request, name: ViewName, model: PageModel): string {
  const { context, views, assets, helpPages } = shell
  const { settings, paths } = context
  const howHref = helpPages.some(({ slug }) => slug === HOW_SLUG) ? paths.at(`/help/${HOW_SLUG}`) : paths.at('/help')
  return views.render(name, {
    words: ENGLISH,
    ...profileModel(paths, context.service()),
    root: paths.root,
    brand: settings.brand,
    assets: {
      css: paths.at(assets.css),
      chat: paths.at(assets.chat),
      components: paths.at(assets.components),
      icon: paths.at(assets.icon),
    },
    cspNonce: context.nonceOf(request),
    footerLinks: [
      { href: paths.at('/accessibility'), text: ENGLISH.chrome.accessibility },
      { href: paths.at('/cookies'), text: ENGLISH.chrome.cookies },
      { href: paths.at('/privacy'), text: ENGLISH.chrome.privacy },
      { href: howHref, text: ENGLISH.chrome.howWeUseAi },
      ...context.service().footerLinks.map((link) => placed(paths, link)),
    ],
    howHref,
    form: {
      fields: FORM_FIELDS,
      base: model.base,
      // Made only where a form is: asking for it makes a visitor of somebody whose cookies were not read.
      get csrf() {
        return context.csrfTokenOf(request)
      },
    },
    ...model,
  })
}

/** What every page says of the service. */
const profileModel = (paths: Paths, { name, organisation, phase, notice, contact, questions }: ServiceProfile) => ({
  serviceName: name,
  organisation,
  phase: phase && { ...phase, feedbackHref: phase.feedbackHref && inService(paths, phase.feedbackHref) },
  incident: notice && { ...notice, link: notice.link && placed(paths, notice.link) },
  contact: contact && { ...contact, links: contact.links.map((link) => placed(paths, link)) },
  questionsClosed: questions.areOpen ? undefined : closedLines(questions.paragraphs),
})

/** A link of the team's to a page of this service is written as if there were no prefix. */
const inService = (paths: Paths, href: string): string => (href.startsWith('/') ? paths.at(href) : href)
const placed = (paths: Paths, { text, href }: ProfileLink): ProfileLink => ({ text, href: inService(paths, href) })

/** What is said while no questions are taken. */
export const closedLines = (paragraphs: readonly string[]): readonly string[] =>
  paragraphs.length > 0 ? paragraphs : ENGLISH.chat.questionsClosed

/** The words about items, as this service has them. */
export const itemWordsOf = ({ assistant, organisation, topic }: ServiceProfile): ItemWords => ({
  ...ENGLISH.item,
  ...(topic === undefined ? {} : { refused: fill(ENGLISH.chat.refusedOfTopic, { topic }) }),
  ...(assistant === undefined ? {} : { assistant }),
  ...(organisation === undefined ? {} : { fallbackHeading: fill(ENGLISH.chat.fallbackHeadingOf, { organisation }) }),
})

/** An answer with a page that nobody may keep: it holds a form token, and often somebody's words. */
export const htmlReply = (h: ResponseToolkit, html: string | Readable, status = 200): ResponseObject =>
  h.response(html).type('text/html').code(status).header('cache-control', 'no-store')
