/**
 * A conversation as a file: the same fold, the same words and the same renderer as the page, for who reads it on any later day.
 *
 * Made piece by piece, an item at a time, so that a long conversation is never held twice; it ends with a line that says so, by which
 * a file that was cut off can be told from a whole one.
 */
import type { Item } from '../conversation/conversation.ts'
import type { Session } from '../conversation-log/conversation-log.ts'
import { formatTime, viewItems, type ItemView } from '../page/item-view.ts'
import { fill, type ItemWords } from '../page/page-data.ts'
import { printedStyle } from './answer-html.ts'
import { isShown, messageView } from './message-view.ts'
import { renderBlocks } from './render-answer.ts'
import type { Views } from './views.ts'
import { ENGLISH } from './words.ts'

export const TRANSCRIPT_FORMATS = ['html', 'text', 'json'] as const
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number]

export interface Transcript {
  readonly service: string
  readonly session: Session
  readonly items: readonly Item[]
  /** Milliseconds since the epoch. */
  readonly downloadedAt: number
  readonly words: ItemWords
  /** Where this service is; the file lies elsewhere. */
  readonly origin: string
}

const words = ENGLISH.transcript

/** The file's text, in pieces. */
export function transcriptPieces(transcript: Transcript, format: TranscriptFormat, views: Views): Generator<string, void, void> {
  switch (format) {
    case 'html':
      return htmlPieces(transcript, views)
    case 'text':
      return textPieces(transcript)
    case 'json':
      return jsonPieces(transcript)
  }
}

const titleOf = ({ service }: Transcript): string => fill(words.title, { service })

/** What stands above the conversation. */
function introduction({ session, items, downloadedAt, words: ofItems }: Transcript): readonly string[] {
  const started = fill(words.started, { time: formatTime(session.createdAt, undefined, ofItems) })
  const downloaded = fill(words.downloaded, { time: formatTime(downloadedAt, undefined, ofItems) })
  return [started, downloaded, words.caveat, ...(items.length === 0 ? [words.empty] : [])]
}

/** The items with what is said of them; an answer that was not finished says so in words that stay true. */
function* viewed({ items, words: ofItems }: Transcript): Generator<{ readonly item: Item; readonly view: ItemView }, void, void> {
  const views = viewItems(items, { words: ofItems, now: undefined, hasLinks: () => false })
  for (const [index, item] of items.entries()) {
    const view = views[index]
    if (view === undefined) throw new Error('unreachable gateway-5: an item without a view')
    const isUnfinished = item.kind === 'answer' && item.status === 'streaming'
    yield { item, view: isUnfinished ? { ...view, status: [words.unfinished], state: 'attention' } : view }
  }
}

function* htmlPieces(transcript: Transcript, views: Views): Generator<string, void, void> {
  const page = views.render('transcript', { title: titleOf(transcript), lines: introduction(transcript), words })
  // Text is escaped, so the mark stands in the page once.
  const [start = '', end = ''] = page.split('<!-- items -->')
  const style = printedStyle(transcript.origin)
  const blocksOf = ({ text }: Item): readonly string[] => renderBlocks(text, true, [], style).map(({ html }) => html)
  yield start
  for (const { item, view } of viewed(transcript)) {
    const said = item.kind !== 'question' ? { blocks: blocksOf(item), text: '' } : { blocks: [], text: item.text }
    yield views.render('transcript-item', { ...view, ...said })
  }
  yield end
}

function* textPieces(transcript: Transcript): Generator<string, void, void> {
  yield `${[titleOf(transcript), ...introduction(transcript)].map(plain).join('\n')}\n`
  for (const { item, view } of viewed(transcript)) {
    const said = item.text.trim() === '' ? [] : [plain(item.text.trim())]
    const status = view.status.map((line) => `[${plain(line)}]`)
    yield ['', '', `${plain(view.heading)}, ${view.time}`, '', ...said, ...status].join('\n')
  }
  yield `\n\n\n${words.end}\n`
}

/** Line ends of one kind, and nothing that a terminal would obey. */
const plain = (text: string): string => text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\n\t]/gu, '\u{FFFD}')

function* jsonPieces({ service, session, items, downloadedAt }: Transcript): Generator<string, void, void> {
  const about = {
    service,
    sessionId: session.id,
    createdAt: new Date(session.createdAt).toISOString(),
    expiresAt: new Date(session.expiresAt).toISOString(),
    downloadedAt: new Date(downloadedAt).toISOString(),
  }
  yield `${JSON.stringify(about, undefined, 2).slice(0, -2)},\n  "messages": [`
  let isFirst = true
  for (const item of items) {
    if (!isShown(item)) continue
    yield `${isFirst ? '' : ','}\n    ${JSON.stringify(messageView(session.id, item))}`
    isFirst = false
  }
  yield '\n  ]\n}\n'
}
