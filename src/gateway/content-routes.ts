/** Pages of running text: the start page, the team's help pages, and the statements every public service has. */
import { notFound } from '@hapi/boom'
import type { Server } from '@hapi/hapi'
import type { Audience } from '../guidance/guidance.ts'
import { fill } from '../page/page-data.ts'
import { htmlReply, renderPage, type PageShell, type TextPage } from './page-shell.ts'
import type { Paths } from './paths.ts'
import { pageStyle } from './answer-html.ts'
import { renderBlocks } from './render-answer.ts'
import { STATEMENTS } from './statements.ts'
import { ENGLISH } from './words.ts'

const AUDIENCES = ['people', 'teams', 'on-call'] as const satisfies readonly Audience[]

const HOUR_MS = 3_600_000

export function registerContentRoutes(server: Server, shell: PageShell): void {
  const { context, helpPages } = shell
  const time = hours(context.settings.sessionTtlMs)

  server.route({
    method: 'GET',
    path: '/',
    async handler(request, h) {
      // The start page must come up whatever the store does.
      const hasConversations = context.standing().level !== 'offline' && (await hasAny(shell, context.visitorOf(request)))
      const can = ENGLISH.start.can.map((line) => fill(line, { time }))
      return htmlReply(h, renderPage(shell, request, 'start', { title: context.service().name, can, hasConversations }))
    },
  })
  server.route({
    method: 'GET',
    path: '/help',
    handler(request, h) {
      const groups = AUDIENCES.map((audience) => ({
        heading: ENGLISH.help.audiences[audience],
        pages: helpPages
          .filter((page) => page.audience === audience)
          .map((page) => ({ ...page, href: context.paths.at(`/help/${page.slug}`) })),
      })).filter(({ pages }) => pages.length > 0)
      return htmlReply(h, renderPage(shell, request, 'help', { title: ENGLISH.help.heading, section: 'help', groups }))
    },
  })
  server.route({
    method: 'GET',
    path: '/help/{page}',
    handler(request, h) {
      const page = helpPages.find(({ slug }) => slug === request.params['page'])
      if (page === undefined) throw notFound()
      const back = { text: ENGLISH.help.heading, href: context.paths.at('/help') }
      return htmlReply(h, renderPage(shell, request, 'text', { ...textModel(context.paths, page), section: 'help', back }))
    },
  })
  for (const statement of STATEMENTS) {
    server.route({
      method: 'GET',
      path: `/${statement.slug}`,
      handler(request, h) {
        const text = fill(statement.text, { time, service: markdownText(context.service().name) })
        return htmlReply(h, renderPage(shell, request, 'text', textModel(context.paths, { ...statement, text })))
      },
    })
  }
}

/** Whether there is a conversation to go back to; not knowing is no reason to fail the start page. */
async function hasAny({ context }: PageShell, visitor: ReturnType<PageShell['context']['visitorOf']>): Promise<boolean> {
  try {
    return (await context.sessions.list(visitor)).length > 0
  } catch (cause) {
    context.events.storeFailed({ kind: 'start-page', cause })
    return false
  }
}

const hours = (ms: number): string => {
  const count = Math.round(ms / HOUR_MS)
  return count === 1 ? ENGLISH.start.oneHour : fill(ENGLISH.start.manyHours, { count })
}

/** Text that is to stand in Markdown as it is. */
const markdownText = (text: string): string => text.replace(/[\\`*_[\](){}#+.!|<>&~-]/g, String.raw`\$&`)

const textModel = ({ root }: Paths, { title, text }: TextPage) => ({
  title,
  blocks: renderBlocks(text, true, [], pageStyle(root)).map(({ html }) => html),
})
