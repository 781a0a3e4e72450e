/** What people do with conversations through forms and links. Everything here works without JavaScript. */
import type { Request, ResponseToolkit, RouteOptions, Server } from '@hapi/hapi'
import { isMessageId, type MessageId } from '../conversation/ids.ts'
import { isOpen, findQuestion } from '../conversation/conversation.ts'
import { PAGE_WAIT_MAX_MS, REQUEST_BYTES_MAX } from '../conversation/limits.ts'
import { formatTime } from '../page/item-view.ts'
import { fill } from '../page/page-data.ts'
import { createChatPages, keptUntilLine, type ChatPages } from './chat-page.ts'
import { QuestionsClosedError, TooManySessionsError } from './errors.ts'
import { formField } from './forgery.ts'
import { FORM_FIELDS } from './form-fields.ts'
import type { GatewayContext } from './gateway-context.ts'
import { htmlReply, renderPage, type PageShell } from './page-shell.ts'
import { postedMessageId, postedQuestion, putQuestion } from './put-question.ts'
import { waitForAnswer } from './wait-for-answer.ts'
import { deviceOwnerOf } from './visitor.ts'
import { ENGLISH } from './words.ts'

/** How long the list says that a conversation was deleted. */
const DELETED_NEWS_MS = 60_000

const FORM_POST: RouteOptions = { payload: { allow: 'application/x-www-form-urlencoded', maxBytes: REQUEST_BYTES_MAX } }

type Handler = (request: Request, h: ResponseToolkit) => Promise<ReturnType<ResponseToolkit['response']>>

export function registerChatRoutes(server: Server, shell: PageShell): void {
  const pages = createChatPages(shell, shell.context.blocks)
  const get = (path: string, handler: Handler): void => server.route({ method: 'GET', path, handler })
  const post = (path: string, handler: Handler): void => server.route({ method: 'POST', path, options: FORM_POST, handler })

  get('/chat', (request, h) => latest(shell.context, request, h))
  get('/conversations', (request, h) => list(shell, request, h))
  post('/conversations', (request, h) => start(shell, pages, request, h))
  get('/conversations/{id}', (request, h) => show(shell.context, pages, request, h))
  post('/conversations/{id}/messages', (request, h) => ask(shell.context, pages, request, h))
  post('/conversations/{id}/ask-again', (request, h) => askAgain(shell.context, pages, request, h))
  post('/conversations/{id}/stop', (request, h) => stop(shell.context, request, h))
  post('/conversations/{id}/cancel', (request, h) => stop(shell.context, request, h))
  post('/conversations/{id}/keep-open', (request, h) => keepOpen(shell.context, request, h))
  get('/conversations/{id}/delete', (request, h) => confirmDelete(shell, request, h))
  post('/conversations/{id}/delete', (request, h) => remove(shell.context, request, h))
}

const idOf = (request: Request): string => String(request.params['id'])
const seeOther = (h: ResponseToolkit, path: string): ReturnType<Handler> => Promise.resolve(h.redirect(path).code(303))

async function latest(context: GatewayContext, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  const [newest] = await context.sessions.list(context.visitorOf(request))
  return seeOther(h, newest === undefined ? context.paths.home : context.paths.conversation(newest.id))
}

async function list(shell: PageShell, request: Request, h: ResponseToolkit, notice?: string): ReturnType<Handler> {
  const { context } = shell
  const now = context.clock.now()
  const visitor = context.visitorOf(request)
  const sessions = await context.sessions.list(visitor)
  const conversations = sessions.map((session) => {
    const time = formatTime(session.createdAt, now, ENGLISH.item)
    const { questions } = session
    return {
      href: context.paths.conversation(session.id),
      started: fill(ENGLISH.list.started, { time }),
      about: fill(ENGLISH.list.openAbout, { time }),
      questions: questions === 1 ? ENGLISH.list.oneQuestion : fill(ENGLISH.list.manyQuestions, { count: questions }),
      keptUntil: fill(ENGLISH.list.closes, { time: formatTime(session.expiresAt, now, ENGLISH.item) }),
    }
  })
  const { heading } = ENGLISH.list
  const deletedAt = Number(queryText(request, 'deleted'))
  const isNews = now - deletedAt >= 0 && now - deletedAt < DELETED_NEWS_MS
  const html = renderPage(shell, request, 'conversations', {
    title: heading,
    section: 'conversations',
    robots: 'none',
    conversations,
    kept: {
      visitor: deviceOwnerOf(visitor, context.settings.secret),
      open: sessions.map(({ id }) => id).join(' '),
      action: context.paths.at('/conversations'),
    },
    notice,
    deleted: isNews ? fill(ENGLISH.list.deleted, { time: formatTime(deletedAt, now, ENGLISH.item) }) : undefined,
  })
  return htmlReply(h, html, notice === undefined ? 200 : 409)
}

/** A new conversation; with a question in the form, it is asked at once: that is how one from a closed conversation goes on. */
async function start(shell: PageShell, pages: ChatPages, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  const { context } = shell
  const visitor = context.visitorOf(request)
  if (!context.service().questions.areOpen) throw new QuestionsClosedError()
  try {
    const address = context.addressOf(request)
    if (formField(request, FORM_FIELDS.question) === undefined) {
      return await seeOther(h, context.paths.conversation((await context.sessions.create(visitor, address)).id))
    }
    const question = postedQuestion(context, request)
    const session = await context.sessions.create(visitor, address, question.messageId)
    return await putQuestion({ context, pages, request, h }, { ...question, session: session.id })
  } catch (error) {
    if (error instanceof TooManySessionsError) return list(shell, request, h, ENGLISH.chat.tooManyConversations)
    throw error
  }
}

async function show(context: GatewayContext, pages: ChatPages, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  const visitor = context.visitorOf(request)
  const own = await context.sessions.read(visitor, idOf(request))
  const wait = queryText(request, 'wait')
  const question = wait !== undefined && isMessageId(wait) ? findQuestion(own.conversation, wait) : undefined
  if (question !== undefined && isOpen(question)) {
    await hold(context, request, own.session.id, question.messageId)
    return htmlReply(h, pages.render(request, await context.sessions.read(visitor, own.session.id)))
  }
  if (queryText(request, 'refresh') === 'on') return htmlReply(h, pages.render(request, own, { refreshes: true }))
  const before = Number(queryText(request, 'before'))
  return htmlReply(h, pages.render(request, own, Number.isSafeInteger(before) && before > 0 ? { before } : {}))
}

/** Waits for the answer, unless so many wait already that this one has to look again by hand. */
async function hold(context: GatewayContext, request: Request, session: OwnSessionId, messageId: MessageId): Promise<void> {
  const place = context.admission.openLink(context.addressOf(request))
  if (!place.ok) return
  const gone = new AbortController()
  request.raw.res.once('close', () => gone.abort())
  try {
    const signal = AbortSignal.any([gone.signal, context.drain.over])
    await waitForAnswer(context.log, context.clock, { session, messageId, waitMs: PAGE_WAIT_MAX_MS, signal })
  } finally {
    place.release()
  }
}

type OwnSessionId = Parameters<typeof waitForAnswer>[2]['session']

async function ask(context: GatewayContext, pages: ChatPages, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  return putQuestion({ context, pages, request, h }, { ...postedQuestion(context, request), session: idOf(request) })
}

/** The same question once more, or one for the rest of its answer, as a new one that says which it goes on from. */
async function askAgain(context: GatewayContext, pages: ChatPages, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  const again = formField(request, 'inReplyTo') ?? ''
  const own = await context.sessions.read(context.visitorOf(request), idOf(request))
  const question = isMessageId(again) ? findQuestion(own.conversation, again) : undefined
  // A form that no page of ours made: nothing to ask, and the page shows how things stand.
  if (question === undefined) return seeOther(h, context.paths.conversation(own.session.id))
  const typed = formField(request, FORM_FIELDS.question) ?? ''
  const asked = { session: own.session.id, messageId: postedMessageId(context, request), inReplyTo: question.messageId }
  // What is in the conversation has been sent before, so there is nothing to warn of.
  return putQuestion({ context, pages, request, h }, { ...asked, typed: typed === '' ? question.text : typed, isConfirmed: true })
}

async function stop(context: GatewayContext, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  const messageId = formField(request, 'inReplyTo') ?? ''
  const visitor = context.visitorOf(request)
  const own = await context.sessions.find(visitor, idOf(request))
  // Without a question there is nothing to stop: the page was made when none was open.
  if (!isMessageId(messageId)) return seeOther(h, context.paths.conversation(own.id))
  await context.sessions.stop(visitor, own.id, messageId)
  return seeOther(h, context.paths.answer(own.id, messageId))
}

async function keepOpen(context: GatewayContext, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  await context.sessions.keep(context.visitorOf(request), idOf(request))
  return seeOther(h, context.paths.conversation(idOf(request)))
}

async function confirmDelete(shell: PageShell, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  const { context } = shell
  const session = await context.sessions.find(context.visitorOf(request), idOf(request))
  const base = context.paths.conversation(session.id)
  const back = { text: ENGLISH.chrome.back, href: base }
  const keptUntil = keptUntilLine(shell, session)
  const device = { session: session.id, visitor: deviceOwnerOf(session.visitor, context.settings.secret) }
  return htmlReply(
    h,
    renderPage(shell, request, 'delete', { title: ENGLISH.remove.heading, robots: 'none', base, back, keptUntil, device }),
  )
}

async function remove(context: GatewayContext, request: Request, h: ResponseToolkit): ReturnType<Handler> {
  await context.sessions.delete(context.visitorOf(request), idOf(request))
  return seeOther(h, context.paths.at(`/conversations?deleted=${context.clock.now()}`))
}

function queryText(request: Request, name: string): string | undefined {
  const query: unknown = request.query
  const value: unknown = typeof query === 'object' && query !== null && Object.hasOwn(query, name) ? Reflect.get(query, name) : undefined
  return typeof value === 'string' ? value : undefined
}
