/**
 * What the served page tells the script that enhances it, as JSON in the page: which conversation, and every word the script may show.
 *
 * The script has no words of its own, so the page and the script cannot disagree and one catalogue holds them all.
 * A word may hold places like `{time}`, filled by `fill`.
 */
import * as v from 'valibot'
import { isSessionId } from '../conversation/ids.ts'
import type { PersonalKind } from '../conversation/personal-information.ts'
import type { QuestionProblem } from '../conversation/question-text.ts'

/** What is said about questions, answers and notices, by the server's page and the live page alike. */
export interface ItemWords {
  readonly you: string
  readonly assistant: string
  readonly at: string
  readonly timeOnDay: string
  readonly sent: string
  readonly received: string
  readonly waiting: string
  readonly oneBefore: string
  readonly manyBefore: string
  readonly cancelled: string
  readonly stopping: string
  readonly stopped: string
  readonly finding: string
  readonly answering: string
  readonly caveat: string
  readonly caveatPages: string
  readonly cutOff: string
  readonly cutOffAskedAgain: string
  readonly timedOut: string
  readonly unreachable: string
  readonly failed: string
  readonly tooLong: string
  readonly withheld: string
  readonly refused: string
  readonly cancel: string
  readonly askAgain: string
  readonly getRest: string
  readonly restOf: string
  readonly askAgainAbout: string
  readonly cancelAbout: string
  readonly fallbackHeading: string
  readonly table: string
}

/** What only the live page says. */
export interface LiveWords {
  readonly connecting: string
  readonly reconnecting: string
  readonly connectedAgain: string
  readonly restored: string
  readonly stillTrying: string
  readonly browserOffline: string
  readonly browserOfflineUnkept: string
  readonly limited: string
  readonly slowMinute: string
  readonly slowMinutes: string
  readonly offline: string
  readonly closed: string
  readonly notLive: string
  readonly sending: string
  readonly kept: string
  readonly notKept: string
  readonly notConfirmed: string
  readonly notConfirmedTag: string
  readonly expired: string
  readonly setAside: string
  readonly sendNow: string
  readonly sendAgain: string
  readonly edit: string
  readonly delete: string
  readonly choiceAbout: string
  readonly boxInUse: string
  readonly heldRate: string
  readonly heldOverload: string
  readonly heldUnavailable: string
  readonly notSent: string
  readonly notSentTag: string
  readonly overload: string
  readonly tooManyWaiting: string
  readonly stillLooking: string
  readonly takingLong: string
  readonly oneUnsent: string
  readonly manyUnsent: string
  readonly errorTitlePrefix: string
  readonly problems: Readonly<Record<QuestionProblem, string>>
  readonly personal: {
    readonly warn: string
    readonly block: string
    readonly and: string
    readonly kinds: Readonly<Record<PersonalKind, string>>
  }
  readonly say: {
    readonly sent: string
    readonly finding: string
    readonly answering: string
    readonly stillAnswering: string
    readonly ready: string
    readonly oneWord: string
    readonly manyWords: string
    readonly oneLink: string
    readonly manyLinks: string
    readonly stopped: string
    readonly cutOff: string
    readonly failed: string
    readonly fallback: string
  }
}

/** Words, and groups of them. That none is missing is a matter of the catalogue's type: page and script are of one release. */
const isWords = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null && Object.values(value).every(isWords))

const pageDataSchema = v.object({
  session: v.pipe(v.string(), v.guard(isSessionId)),
  /** Whose page it is, for what the device keeps; nobody can get from it to the visitor. */
  visitor: v.string(),
  /** Where the log stood when the page was written, and how much of it survives without the device. */
  log: v.object({ head: v.number(), settled: v.number() }),
  /** Where the live link is, on the page's own origin. */
  linkPath: v.string(),
  /** The session in the API. */
  sessionPath: v.string(),
  itemWords: v.custom<ItemWords>(isWords),
  liveWords: v.custom<LiveWords>(isWords),
  /** What becomes of a question that may hold personal information. */
  personalInformation: v.picklist(['warn', 'block', 'off']),
  /** Where a form starts a new conversation, for one that has closed. */
  startHref: v.string(),
})
export type PageData = v.InferOutput<typeof pageDataSchema>

/** The page's data from the text of its data block. @throws when it is not what the server of this version writes */
export const parsePageData = (json: string): PageData => v.parse(pageDataSchema, JSON.parse(json))

/** That answers take long, in whole minutes; `undefined` while they do not. */
export const saySlow = (answersTakeMs: number | undefined, { slowMinute, slowMinutes }: LiveWords): string | undefined => {
  if (answersTakeMs === undefined) return undefined
  const count = Math.ceil(answersTakeMs / 60_000)
  return count === 1 ? slowMinute : fill(slowMinutes, { count })
}

/** `words` with each `{name}` replaced by its value; a place without a value is left as it is, so that it is noticed. */
export const fill = (words: string, values: Readonly<Record<string, string | number>>): string =>
  words.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place))
