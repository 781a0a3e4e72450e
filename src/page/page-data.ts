/**
 * What the served page tells the script that enhances it, as JSON in the page: which conversation, and every word the script may show.
 *
 * The script has no words of its own, so the page and the script cannot disagree and one catalogue holds them all.
 * A word may hold places like `{time}`, filled by `fill`.
 */
import * as v from 'valibot'
import { isSessionId } from '../conversation/ids.ts'

/** What is said about questions, answers and notices, by the server's page and the live page alike. */
export const itemWordsSchema = v.object({
  you: v.string(),
  assistant: v.string(),
  at: v.string(),
  timeOnDay: v.string(),
  sent: v.string(),
  received: v.string(),
  waiting: v.string(),
  oneBefore: v.string(),
  manyBefore: v.string(),
  cancelled: v.string(),
  stopping: v.string(),
  stopped: v.string(),
  finding: v.string(),
  answering: v.string(),
  caveat: v.string(),
  caveatPages: v.string(),
  cutOff: v.string(),
  cutOffAskedAgain: v.string(),
  timedOut: v.string(),
  unreachable: v.string(),
  failed: v.string(),
  tooLong: v.string(),
  withheld: v.string(),
  refused: v.string(),
  cancel: v.string(),
  askAgain: v.string(),
  getRest: v.string(),
  restOf: v.string(),
  askAgainAbout: v.string(),
  cancelAbout: v.string(),
  fallbackHeading: v.string(),
  table: v.string(),
})
export type ItemWords = v.InferOutput<typeof itemWordsSchema>

/** What only the live page says. */
export const liveWordsSchema = v.object({
  connecting: v.string(),
  reconnecting: v.string(),
  connectedAgain: v.string(),
  restored: v.string(),
  stillTrying: v.string(),
  browserOffline: v.string(),
  browserOfflineUnkept: v.string(),
  limited: v.string(),
  offline: v.string(),
  closed: v.string(),
  notLive: v.string(),
  sending: v.string(),
  kept: v.string(),
  notKept: v.string(),
  notConfirmed: v.string(),
  notConfirmedTag: v.string(),
  expired: v.string(),
  setAside: v.string(),
  sendNow: v.string(),
  sendAgain: v.string(),
  edit: v.string(),
  delete: v.string(),
  choiceAbout: v.string(),
  boxInUse: v.string(),
  heldRate: v.string(),
  heldOverload: v.string(),
  heldUnavailable: v.string(),
  notSent: v.string(),
  notSentTag: v.string(),
  overload: v.string(),
  tooManyWaiting: v.string(),
  stillLooking: v.string(),
  takingLong: v.string(),
  oneUnsent: v.string(),
  manyUnsent: v.string(),
  errorTitlePrefix: v.string(),
  problems: v.object({ empty: v.string(), 'too-long': v.string(), 'too-large': v.string(), 'not-text': v.string() }),
  personal: v.object({
    warn: v.string(),
    block: v.string(),
    and: v.string(),
    kinds: v.object({
      'national-insurance-number': v.string(),
      'payment-card': v.string(),
      'email-address': v.string(),
      'mobile-number': v.string(),
    }),
  }),
  say: v.object({
    sent: v.string(),
    finding: v.string(),
    answering: v.string(),
    stillAnswering: v.string(),
    ready: v.string(),
    oneWord: v.string(),
    manyWords: v.string(),
    oneLink: v.string(),
    manyLinks: v.string(),
    stopped: v.string(),
    cutOff: v.string(),
    failed: v.string(),
    fallback: v.string(),
  }),
})
export type LiveWords = v.InferOutput<typeof liveWordsSchema>

export const pageDataSchema = v.object({
  session: v.pipe(v.string(), v.guard(isSessionId)),
  /** Whose page it is, for what the device keeps; nobody can get from it to the visitor. */
  visitor: v.string(),
  /** Where the log stood when the page was written, and how much of it survives without the device. */
  log: v.object({ head: v.number(), settled: v.number() }),
  /** Where the live link is, on the page's own origin. */
  linkPath: v.string(),
  itemWords: itemWordsSchema,
  liveWords: liveWordsSchema,
  /** What becomes of a question that may hold personal information. */
  personalInformation: v.picklist(['warn', 'block', 'off']),
  /** Where a form starts a new conversation, for one that has closed. */
  startHref: v.string(),
})
export type PageData = v.InferOutput<typeof pageDataSchema>

/** The page's data from the text of its data block. @throws when it is not what the server of this version writes */
export const parsePageData = (json: string): PageData => v.parse(pageDataSchema, JSON.parse(json))

/** `words` with each `{name}` replaced by its value; a place without a value is left as it is, so that it is noticed. */
export const fill = (words: string, values: Readonly<Record<string, string | number>>): string =>
  words.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place))
