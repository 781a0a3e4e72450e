/** `/states`: every state of every page, in development only. */
import { notFound } from '@hapi/boom'
import type { Request, ResponseObject, Server } from '@hapi/hapi'
import { mintLogId, mintSessionId } from '../conversation/ids.ts'
import type { ServiceStanding } from '../protocol/protocol.ts'
import { createChatPages } from './chat-page.ts'
import { createErrorPage } from './error-page.ts'
import { htmlReply, renderPage, type PageShell } from './page-shell.ts'
import { securityHeaders } from './security-headers.ts'
import { serverStates, STATE_TABLES, type State } from './states.ts'

export function registerStates(server: Server, shell: PageShell): void {
  const { clock, randomBytes } = shell.context
  const all = (): readonly State[] => serverStates(clock.now(), randomBytes)
  server.route({
    method: 'GET',
    path: '/states',
    handler(request, h) {
      const states = all()
      const tables = Object.entries(STATE_TABLES).map(([slug, name]) => ({
        slug,
        name,
        states: states.filter(({ table }) => table === slug),
      }))
      return framed(shell, request, htmlReply(h, renderPage(shell, request, 'states', { title: 'All states', robots: 'none', tables })))
    },
  })
  server.route({
    method: 'GET',
    path: '/states/{slug}',
    handler(request, h) {
      const state = all().find(({ slug }) => slug === request.params['slug'])
      if (state === undefined) throw notFound()
      return framed(shell, request, htmlReply(h, draw(shell, request, state)))
    },
  })
}

/** These pages may stand in each other's frames; all else is as on every page. */
function framed({ context }: PageShell, request: Request, response: ResponseObject): ResponseObject {
  const { 'content-security-policy': policy = '' } = securityHeaders(
    { ...context.settings, paths: context.paths },
    context.nonceOf(request),
  )
  return response.header(
    'content-security-policy',
    `${policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'")}; frame-src 'self'`,
  )
}

function draw(shell: PageShell, request: Request, state: State): string {
  if (state.type === 'failure') return createErrorPage(shell)(request, state.page)
  const { context } = shell
  const now = context.clock.now()
  const service = { ...context.service(), ...state.profile }
  const standing = (): ServiceStanding => ({ ...context.standing(), answersTakeMs: state.answersTakeMs })
  const changed = { ...shell, context: { ...context, standing, doAnswersWait: () => state.isLimited, service: () => service } }
  const session = {
    id: mintSessionId(context.randomBytes),
    visitor: context.visitorOf(request),
    logId: mintLogId(context.randomBytes),
    createdAt: now,
    expiresAt: now + state.leftMs,
    questions: state.conversation.items.length,
  }
  const own = { session, conversation: state.conversation, cursor: undefined }
  return createChatPages(changed, context.blocks).render(request, own, { ...state.options, isStill: true })
}
