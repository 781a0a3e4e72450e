/** What the pages say about the service at this moment, word for word, for people on call who are asked what everybody else sees. */
import type { GatewayContext } from './gateway-context.ts'
import { saySlow } from '../page/page-data.ts'
import { closedLines } from './page-shell.ts'
import { ENGLISH } from './words.ts'

export interface Said {
  /** Which page, in words of operators. */
  readonly where: string
  readonly text: string
}

/** Empty while pages are as always. */
export function whatPagesSay({
  standing,
  doAnswersWait,
  service,
}: Pick<GatewayContext, 'standing' | 'doAnswersWait' | 'service'>): readonly Said[] {
  const { notice, questions } = service()
  const { live, errors, chat } = ENGLISH
  const said: Said[] = []
  if (notice !== undefined) said.push({ where: 'Every page', text: [notice.heading, ...notice.paragraphs].join(' ') })
  if (!questions.areOpen) {
    const text = [`${chat.questionsClosedHeading}.`, ...closedLines(questions.paragraphs)].join(' ')
    said.push({ where: 'The chat page, in place of its form', text })
  }
  const { level, answersTakeMs } = standing()
  switch (level) {
    case 'full':
    case 'limited': {
      const line = doAnswersWait() ? live.limited : saySlow(answersTakeMs, live)
      if (line !== undefined) said.push({ where: 'The chat page', text: line })
      break
    }
    case 'offline':
      said.push(
        { where: 'A chat page that is open', text: live.offline },
        { where: 'A chat page that is opened now', text: `${errors.unavailableTitle}. ${errors.offline}` },
        { where: 'Whoever sends a question by a form', text: `${errors.offlineTitle}. ${errors.offline}` },
      )
  }
  return said
}
