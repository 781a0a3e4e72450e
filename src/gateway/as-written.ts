/**
 * An answer as it is written, for a browser without JavaScript: one HTML answer that goes on while the assistant does.
 *
 * Only completed blocks are given out, so nothing that was sent has to change; at the end comes what was left, and what became of
 * it. Knows no HTTP: the route around it opens and closes the connection.
 */
import {
  findQuestion,
  isOpen,
  type AnswerItem,
  type Conversation,
  type NoticeItem,
  type QuestionItem,
} from '../conversation/conversation.ts'
import type { MessageId } from '../conversation/ids.ts'
import { itemKey, viewItems, type ItemView } from '../page/item-view.ts'
import type { ItemWords } from '../page/page-data.ts'
import { asAnswer, type AnswerBlocks } from './answer-blocks.ts'

/** One message's next piece: what the template of pieces needs. */
export interface Piece {
  readonly kind: 'question' | 'answer' | 'notice'
  readonly heading: string
  readonly time: string
  readonly isoTime: string
  readonly opens: boolean
  readonly text: string
  readonly blocks: readonly string[]
  readonly closes: boolean
  readonly status: readonly string[]
}

/** How the page ended: with the answer, or before it; `unfinished` and `failed` can be asked for again. */
export type End = 'ended' | 'unfinished' | 'gone' | 'failed'

export interface AsWrittenOptions {
  readonly messageId: MessageId
  readonly words: ItemWords
  /** Stands above what is said of a question that got no answer. */
  readonly noAnswer: string
  readonly blocks: AnswerBlocks
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** What each look at a conversation adds to the page; remembers what was given out. */
export class AsWrittenAnswer {
  readonly #options: AsWrittenOptions
  /** What was given out of each answer, by its key: so many blocks, of this much of its text. */
  readonly #given = new Map<string, { readonly blocks: number; readonly text: string }>()
  readonly #closed = new Set<string>()
  #hasQuestion = false

  constructor(options: AsWrittenOptions) {
    this.#options = options
  }

  look(conversation: Conversation): { readonly pieces: readonly Piece[]; readonly end: End | undefined } {
    const { messageId, words, now } = this.#options
    const question = findQuestion(conversation, messageId)
    if (question === undefined) return { pieces: [], end: 'gone' }
    // A log that was rolled back has said something else: what stands on the page cannot go on.
    if (conversation.items.some((item) => item.kind !== 'question' && !item.text.startsWith(this.#given.get(itemKey(item))?.text ?? ''))) {
      return { pieces: this.leave(), end: 'unfinished' }
    }
    const views = viewItems(conversation.items, { words, now: now(), hasLinks: () => false })
    const pieces: Piece[] = []
    for (const [index, item] of conversation.items.entries()) {
      const view = views[index]
      if (view === undefined) continue
      if (item === question && !this.#hasQuestion) pieces.push(questionPiece(question, view))
      if (item.kind === 'answer' && item.turnId === question.turnId) pieces.push(...this.#piecesOf(item, view))
      if (item.kind === 'notice' && item.inReplyTo === messageId) pieces.push(...this.#piecesOf(item, view))
    }
    this.#hasQuestion = true
    if (isOpen(question)) return { pieces, end: undefined }
    // What ended before it began has no answer to say so.
    const hasAnswer = conversation.items.some((item) => item.kind === 'answer' && item.turnId === question.turnId)
    const status = hasAnswer ? undefined : views[conversation.items.indexOf(question)]?.status
    const said: readonly Piece[] =
      status === undefined ? [] : [{ ...NOTHING, kind: 'notice', heading: this.#options.noAnswer, opens: true, closes: true, status }]
    return { pieces: [...pieces, ...said], end: 'ended' }
  }

  /** Ends what was begun, when there will be no more looks. */
  leave(): readonly Piece[] {
    const open = [...this.#given.keys()].filter((key) => !this.#closed.has(key))
    return open.map(() => ({ ...NOTHING, closes: true }))
  }

  #piecesOf(item: AnswerItem | NoticeItem, view: ItemView): readonly Piece[] {
    const key = itemKey(item)
    const answer = item.kind === 'notice' ? asAnswer(item) : item
    const blocks = this.#options.blocks.of(answer)
    const given = this.#given.get(key)
    const closes = answer.status !== 'streaming'
    if (this.#closed.has(key) || (!closes && given?.blocks === blocks.length)) return []
    this.#given.set(key, { blocks: blocks.length, text: answer.text.slice(0, blocks.at(-1)?.upTo ?? 0) })
    if (closes) this.#closed.add(key)
    const { heading, time, isoTime, status } = view
    const news = blocks.slice(given?.blocks ?? 0).map(({ html }) => html)
    return [{ kind: item.kind, heading, time, isoTime, opens: given === undefined, text: '', blocks: news, closes, status }]
  }
}

const NOTHING: Piece = {
  kind: 'answer',
  heading: '',
  time: '',
  isoTime: '',
  opens: false,
  text: '',
  blocks: [],
  closes: false,
  status: [],
}

const questionPiece = ({ text }: QuestionItem, { heading, time, isoTime }: ItemView): Piece => ({
  ...NOTHING,
  kind: 'question',
  heading,
  time,
  isoTime,
  opens: true,
  text,
  closes: true,
})
