/**
 * `GET /conversations/{id}/answers/{messageId}`: the answer as it is written. Holds a place among the live links while it lasts, and
 * ends with the answer, when the reader leaves, when the server drains, and before a proxy would cut it.
 */
import { Readable } from 'node:stream'
import { notFound } from '@hapi/boom'
import type { Request, ResponseObject, ResponseToolkit, Server } from '@hapi/hapi'
import { findQuestion } from '../conversation/conversation.ts'
import { isMessageId, type MessageId, type SessionId } from '../conversation/ids.ts'
import { EVENT_STREAM_BYTES_BUFFERED } from '../conversation/limits.ts'
import { AsWrittenAnswer, type End, type Piece } from './as-written.ts'
import { followConversation } from './follow-conversation.ts'
import { AS_IT_COMES, takePlace, untilOver } from './held-response.ts'
import { htmlReply, itemWordsOf, renderPage, type PageShell } from './page-shell.ts'
import { ENGLISH } from './words.ts'

export function registerAsWritten(server: Server, shell: PageShell): void {
  server.route({
    method: 'GET',
    path: '/conversations/{id}/answers/{messageId}',
    options: { compression: AS_IT_COMES },
    handler: (request, h) => showAsWritten(shell, request, h),
  })
}

async function showAsWritten(shell: PageShell, request: Request, h: ResponseToolkit): Promise<ResponseObject> {
  const { context } = shell
  const { session, conversation } = await context.sessions.read(context.visitorOf(request), String(request.params['id']))
  const messageId = String(request.params['messageId'])
  if (!isMessageId(messageId) || findQuestion(conversation, messageId) === undefined) throw notFound()
  const page = renderPage(shell, request, 'as-written', { title: ENGLISH.asWritten.heading, robots: 'none' })
  if (request.method === 'head') return htmlReply(h, page)
  const place = takePlace(context, request, session.id)
  // Nobody has to be told: the page that looks by hand shows the same.
  if (!place.ok) return h.redirect(context.paths.answer(session.id, messageId)).code(303)
  const signal = untilOver(context, request, { isMovable: false, onClose: place.release })
  const pieces = pagePieces(shell, page, { session: session.id, messageId, signal })
  const stream = Readable.from(pieces, { objectMode: false, highWaterMark: EVENT_STREAM_BYTES_BUFFERED })
  return htmlReply(h, stream).header('x-accel-buffering', 'no')
}

interface Followed {
  readonly session: SessionId
  readonly messageId: MessageId
  readonly signal: AbortSignal
}

async function* pagePieces(shell: PageShell, page: string, followed: Followed): AsyncGenerator<string, void, void> {
  // Text is escaped, so the mark stands in the page once.
  const [start = '', finish = ''] = page.split('<!-- pieces -->')
  yield start
  yield* answerPieces(shell, followed)
  yield finish
}

async function* answerPieces(shell: PageShell, followed: Followed): AsyncGenerator<string, void, void> {
  const { context, views } = shell
  const { log, clock, blocks, events } = context
  const { session, messageId, signal } = followed
  const { noAnswer } = ENGLISH.asWritten
  const answer = new AsWrittenAnswer({ messageId, words: itemWordsOf(context.service()), noAnswer, blocks, now: () => clock.now() })
  const write = (pieces: readonly Piece[]): string =>
    pieces.map((piece) => views.render('as-written-piece', { ...piece, words: ENGLISH })).join('')
  let how: End = 'gone'
  try {
    for await (const conversation of followConversation(log, clock, { session, signal })) {
      const { pieces, end } = answer.look(conversation)
      if (pieces.length > 0) yield write(pieces)
      if (end === undefined) continue
      yield ending(shell, followed, end)
      return
    }
    if (signal.aborted) how = 'unfinished'
  } catch (cause) {
    // The page has begun, so this is said on it and not by a status.
    events.storeFailed({ kind: 'as-written', cause })
    how = 'failed'
  }
  yield `${write(answer.leave())}${ending(shell, followed, how)}`
}

function ending({ context, views }: PageShell, { session, messageId }: Followed, end: End): string {
  const { paths } = context
  return views.render('as-written-end', {
    words: ENGLISH,
    line: ENGLISH.asWritten[end],
    moreHref: end === 'unfinished' || end === 'failed' ? paths.written(session, messageId) : undefined,
    backHref: end === 'gone' ? paths.at('/conversations') : paths.answer(session, messageId),
  })
}
