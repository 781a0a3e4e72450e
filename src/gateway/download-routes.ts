/** A conversation as a file, for its visitor only: a page with the formats, and the files. */
import { Readable } from 'node:stream'
import { notFound } from '@hapi/boom'
import type { Request, ResponseObject, ResponseToolkit, Server } from '@hapi/hapi'
import { keptUntilLine } from './chat-page.ts'
import { htmlReply, itemWordsOf, renderPage, type PageShell } from './page-shell.ts'
import { TRANSCRIPT_FORMATS, transcriptPieces, type Transcript, type TranscriptFormat } from './transcript.ts'
import { ENGLISH } from './words.ts'

const FILES: Readonly<Record<TranscriptFormat, { readonly type: string; readonly ending: string }>> = {
  html: { type: 'text/html', ending: 'html' },
  text: { type: 'text/plain', ending: 'txt' },
  json: { type: 'application/json', ending: 'json' },
}

export function registerDownloadRoutes(server: Server, shell: PageShell): void {
  server.route({ method: 'GET', path: '/conversations/{id}/download', handler: (request, h) => offer(shell, request, h) })
  server.route({ method: 'GET', path: '/conversations/{id}/download/{format}', handler: (request, h) => download(shell, request, h) })
}

async function offer(shell: PageShell, request: Request, h: ResponseToolkit): Promise<ResponseObject> {
  const { context } = shell
  const session = await context.sessions.find(context.visitorOf(request), String(request.params['id']))
  const base = context.paths.conversation(session.id)
  const back = { text: ENGLISH.chrome.back, href: base }
  const keptUntil = keptUntilLine(shell, session)
  const page = { title: ENGLISH.download.heading, robots: 'none', base, back, keptUntil, formats: TRANSCRIPT_FORMATS }
  return htmlReply(h, renderPage(shell, request, 'download', page))
}

async function download(shell: PageShell, request: Request, h: ResponseToolkit): Promise<ResponseObject> {
  const { context, views } = shell
  const format = TRANSCRIPT_FORMATS.find((known) => known === request.params['format'])
  const { session, conversation } = await context.sessions.read(context.visitorOf(request), String(request.params['id']))
  if (format === undefined) throw notFound()
  const service = context.service()
  const transcript: Transcript = {
    service: service.name,
    session,
    items: conversation.items,
    downloadedAt: context.clock.now(),
    words: itemWordsOf(service),
    origin: `${context.settings.publicOrigin ?? request.url.origin}${context.paths.root}`,
  }
  const { type, ending } = FILES[format]
  return h
    .response(Readable.from(transcriptPieces(transcript, format, views), { objectMode: false }))
    .type(type)
    .header('cache-control', 'no-store')
    .header('content-disposition', `attachment; filename="${fileName(session.createdAt)}.${ending}"`)
}

const stamp = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'short', timeZone: 'Europe/London' })

/** `conversation-2026-07-01-0900`: when it began, on the clock that the page shows. */
const fileName = (startedAt: number): string => `conversation-${stamp.format(startedAt).replace(' ', '-').replace(':', '')}`
