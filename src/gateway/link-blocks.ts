/**
 * Which blocks of which answers one link has been sent: each block goes out once, after the entry that completed it.
 */
import type { AnswerItem, Conversation, Item } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import type { BlockFrame } from '../protocol/protocol.ts'
import { asAnswer, type AnswerBlocks, type RenderedAnswer } from './answer-blocks.ts'

interface OpenAnswer {
  readonly text: string
  readonly sent: number
}

const keyOf = ({ turnId, attempt }: Pick<AnswerItem, 'turnId' | 'attempt'>): string => `${turnId}/${attempt}`

export class LinkBlocks {
  readonly #blocks: AnswerBlocks
  /** Answers that may still grow, by turn and attempt. */
  readonly #open = new Map<string, OpenAnswer>()

  constructor(blocks: AnswerBlocks) {
    this.#blocks = blocks
  }

  /** Whether these entries go on with an answer whose beginning this link has not seen. */
  lacksBeginning(entries: readonly Entry[]): boolean {
    const begun = new Set<string>()
    return entries.some((entry) => {
      if (entry.kind === 'turn-started') begun.add(keyOf(entry))
      const goesOn = entry.kind === 'answer-part' || entry.kind === 'turn-superseded' || (entry.kind === 'turn-ended' && entry.attempt > 0)
      return goesOn && !begun.has(keyOf(entry)) && !this.#open.has(keyOf(entry))
    })
  }

  /**
   * Learns the beginnings from what was said up to the link's cursor. All blocks of an answer that goes on are sent again then:
   * a browser that has them drops them, and one that missed some does not.
   */
  learn({ items }: Conversation): void {
    for (const item of items) {
      if (item.kind === 'answer' && item.status === 'streaming') this.#open.set(keyOf(item), { text: item.text, sent: 0 })
    }
  }

  /** The blocks that this entry completed. */
  after(entry: Entry): readonly BlockFrame[] {
    switch (entry.kind) {
      case 'turn-started':
        this.#open.set(keyOf(entry), { text: '', sent: 0 })
        return []
      case 'answer-part': {
        const { text, sent } = this.#open.get(keyOf(entry)) ?? { text: '', sent: 0 }
        return this.#send({ ...entry, text: text + entry.text, status: 'streaming' }, sent)
      }
      case 'turn-superseded':
      case 'turn-ended':
        return this.#end(entry)
      case 'notice':
        return this.#send(asAnswer(entry), 0)
      case 'message':
      case 'stop-requested':
        return []
    }
  }

  /** All blocks of the answers and notices among these items, for a link that begins anew. */
  of(items: readonly Item[]): readonly BlockFrame[] {
    this.#open.clear()
    return items.flatMap((item) => {
      switch (item.kind) {
        case 'answer':
          return this.#send(item, 0)
        case 'notice':
          return this.#send(asAnswer(item), 0)
        case 'question':
          return []
      }
    })
  }

  #end(entry: Pick<AnswerItem, 'turnId' | 'attempt'>): readonly BlockFrame[] {
    const { text, sent } = this.#open.get(keyOf(entry)) ?? { text: '', sent: 0 }
    const { turnId, attempt } = entry
    const frames = this.#send({ turnId, attempt, text, status: 'complete' }, sent)
    this.#open.delete(keyOf(entry))
    return frames
  }

  #send(answer: RenderedAnswer, sent: number): readonly BlockFrame[] {
    const { turnId, attempt, text, status } = answer
    const blocks = this.#blocks.of({ turnId, attempt, text, status })
    if (status === 'streaming') this.#open.set(keyOf(answer), { text, sent: blocks.length })
    return blocks.slice(sent).map(({ html, upTo }, offset) => ({ type: 'block', turnId, attempt, index: sent + offset, html, upTo }))
  }
}
