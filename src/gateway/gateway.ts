/**
 * The browser side of the server as a hapi plugin: visitor, pages, API, event stream and live link over the conversation log.
 *
 * It never meets the agent: what people do is appended, what they see is read, and both go on whatever the agent does.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Plugin, Server } from '@hapi/hapi'
import { createAdmission } from './admission.ts'
import { createAnswerBlocks } from './answer-blocks.ts'
import { registerApi } from './api.ts'
import { registerCspReports } from './csp-reports.ts'
import { Drain } from './drain.ts'
import { minimalErrorPage, registerErrorReplies } from './error-replies.ts'
import { createFormTokens, registerForgeryChecks } from './forgery.ts'
import type { GatewayContext, GatewayOptions, RenderErrorPage } from './gateway-context.ts'
import { guardedStyle } from './leaving.ts'
import { answerParserErrors, refuseEncodedBodies, refuseMissingHost } from './listener.ts'
import { registerLiveLink, type LinkGauges, type OpenLink } from './live-link.ts'
import { registerPages } from './pages.ts'
import { createPaths } from './paths.ts'
import { addressOf } from './request-address.ts'
import { registerRequestTraces } from './request-trace.ts'
import { GATEWAY, scopeOf } from './scope.ts'
import { registerSecurityHeaders, securityHeaders } from './security-headers.ts'
import { SocketSession } from './socket-session.ts'
import { createVisitorSessions } from './visitor-sessions.ts'
import { registerVisitors } from './visitor.ts'
import { whatPagesSay, type Said } from './what-pages-say.ts'

declare module '@hapi/hapi' {
  interface PluginProperties {
    readonly gateway: {
      readonly links: LinkGauges
      readonly drain: Pick<Drain, 'begun' | 'begin' | 'end'>
      /** What the pages say about the service now. */
      readonly said: () => readonly Said[]
    }
  }
}

const SECRET_CHARS_MIN = 32

const renderMinimalErrorPage: RenderErrorPage = (_request, page) => minimalErrorPage(page)

export const gateway: Plugin<GatewayOptions> = {
  name: GATEWAY,
  register(server, options) {
    const { settings, randomBytes, events } = options
    if (settings.secret.length < SECRET_CHARS_MIN) throw new RangeError(`the secret must have ${SECRET_CHARS_MIN} characters or more`)
    let renderErrorPage = renderMinimalErrorPage

    const paths = createPaths(server.realm.modifiers.route.prefix ?? '')
    const scope = scopeOf(server, options.isWholeServer)
    const nonceOf = registerSecurityHeaders(scope, { ...settings, paths }, randomBytes)
    if (scope.isWholeServer) answerParserErrors(server, securityHeaders({ ...settings, paths }), events)
    const traceOf = registerRequestTraces(server, scope, options)
    refuseMissingHost(scope)
    refuseEncodedBodies(scope)
    // Before the cookies, so that a failure's answer carries them too.
    registerErrorReplies(server, {
      events,
      traceOf,
      renderErrorPage: () => renderErrorPage,
      isAnswered: (request) => scope.isOurs(request),
    })
    const visitors = registerVisitors(server, settings, randomBytes)
    const tokens = createFormTokens(settings.secret, randomBytes)
    registerForgeryChecks(scope, settings, (request, token) => tokens.isGood(visitors.of(request), token))

    const admission = createAdmission(options.clock)
    const context: GatewayContext = {
      ...options,
      admission,
      paths,
      sessions: createVisitorSessions(options, admission),
      blocks: createAnswerBlocks(guardedStyle(settings.secret, settings.trustedLinkHosts, paths)),
      visitorOf: (request) => visitors.of(request),
      csrfTokenOf: (request) => tokens.make(visitors.of(request)),
      traceOf,
      nonceOf,
      addressOf: (request) => addressOf(request.info.remoteAddress, request.headers, settings.trustedProxyHops),
      setErrorPage: (render) => {
        renderErrorPage = render
      },
      drain: new Drain({ clock: options.clock, isShared: options.log.profile.isShared }),
    }
    letGo(server, context.drain)
    registerApi(server, context)
    registerCspReports(server, context)
    const links = registerLiveLink(server, context, visitors, (link) => openSocketSession(context, link))
    server.expose('links', links)
    server.expose('drain', context.drain)
    server.expose('said', () => whatPagesSay(context))
    if (options.pages !== undefined) registerPages(server, context, options.pages)
  },
}

/**
 * Whoever composes the server may begin earlier, so that pages move while answers are finished. hapi still listens in `onPreStop` and would
 * cut the links off without a word after it.
 */
function letGo(server: Server, drain: Drain): void {
  server.ext('onPreStop', async () => void (await drain.end()))
  // A connection that is kept for later would be closed just when the next request is on its way.
  server.listener.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    if (drain.begun.aborted) response.shouldKeepAlive = false
  })
}

/** Puts a session behind a socket. Frames that are not text were refused at the door. */
function openSocketSession(context: GatewayContext, { socket, visitor, leaving }: OpenLink): void {
  const session = new SocketSession({ context, blocks: context.blocks, socket, visitor, leaving, moves: context.drain })
  socket.on('message', (data, isBinary) => {
    if (isBinary || !Buffer.isBuffer(data)) return
    session.received(data.toString())
  })
  socket.once('close', (code) => session.closed(code))
}
