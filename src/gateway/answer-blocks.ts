/**
 * Rendered blocks of answers, kept for a while: many tabs and reloads ask for the same ones, and a growing answer
 * is rendered on from what is known of it.
 *
 * Bounded by characters of text; the answer used longest ago is forgotten and costs a rendering when it is asked for again.
 */
import type { AnswerItem, NoticeItem } from '../conversation/conversation.ts'
import { ANSWER_CACHE_CHARS_MAX } from '../conversation/limits.ts'
import { NOTICE_ATTEMPT } from '../protocol/protocol.ts'
import { ANSWER_STYLE, type HtmlStyle } from './answer-html.ts'
import { renderBlocks, type AnswerBlock } from './render-answer.ts'

/** An answer as far as rendering it goes. */
export type RenderedAnswer = Pick<AnswerItem, 'turnId' | 'attempt' | 'text' | 'status'>

/** A notice is Markdown, too: that of a turn's own, whole from the first. */
export const asAnswer = ({ turnId, text }: Pick<NoticeItem, 'turnId' | 'text'>): RenderedAnswer => ({
  turnId,
  attempt: NOTICE_ATTEMPT,
  text,
  status: 'complete',
})

export interface AnswerBlocks {
  /** The completed blocks of an answer as it stands. */
  of(answer: RenderedAnswer): readonly AnswerBlock[]
}

interface Known {
  readonly text: string
  readonly isEnded: boolean
  readonly blocks: readonly AnswerBlock[]
}

export function createAnswerBlocks(style: HtmlStyle = ANSWER_STYLE, charsMax: number = ANSWER_CACHE_CHARS_MAX): AnswerBlocks {
  // In order of last use.
  const known = new Map<string, Known>()
  let chars = 0

  function forget(key: string): void {
    chars -= known.get(key)?.text.length ?? 0
    known.delete(key)
  }

  function remember(key: string, value: Known): void {
    forget(key)
    known.set(key, value)
    chars += value.text.length
    for (const oldest of known.keys()) {
      if (chars <= charsMax) break
      forget(oldest)
    }
  }

  return {
    of({ turnId, attempt, text, status }) {
      const key = `${turnId}/${attempt}`
      const isEnded = status !== 'streaming'
      const earlier = known.get(key)
      const isSame = earlier?.text === text && earlier.isEnded === isEnded
      // A reader that is behind, or a log that was rolled back, may show another text under the same name.
      const isPrefix = earlier !== undefined && !earlier.isEnded && text.startsWith(earlier.text)
      const blocks = isSame ? earlier.blocks : renderBlocks(text, isEnded, isPrefix ? earlier.blocks : [], style)
      remember(key, { text, isEnded, blocks })
      return blocks
    },
  }
}
