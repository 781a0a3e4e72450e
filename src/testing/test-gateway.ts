/**
 * A gateway as tests want it: real hapi, real plugin, a log in memory, a clock that stands still, and visitors with cookie jars.
 */
import { createHash } from 'node:crypto'
import { server as createServer, type Server, type ServerInjectOptions, type ServerInjectResponse } from '@hapi/hapi'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Claim, ConversationLog } from '../conversation-log/conversation-log.ts'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import type { TurnBody, TurnOutcome } from '../conversation/entry.ts'
import { gateway } from '../gateway/gateway.ts'
import type { GatewayOptions, GatewaySettings } from '../gateway/gateway-context.ts'
import { createListener, serverOptions } from '../gateway/listener.ts'
import { plainProfile, type ServiceProfile } from '../service-profile/service-profile.ts'
import { ALL_WORKS, type ServiceStanding } from '../protocol/protocol.ts'
import { createRecordedEvents, type RecordedEvents } from './recorded-events.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from './simulated-clock.ts'

export const TEST_SECRET = 'a secret that only tests use, and long enough'
export const TEST_HOST = 'chat.test'

export interface TestGateway extends AsyncDisposable {
  readonly server: Server
  readonly log: ConversationLog
  readonly clock: SimulatedClock
  readonly events: RecordedEvents
  level: ServiceStanding['level']
  away: ServiceStanding['away']
  answersTakeMs: ServiceStanding['answersTakeMs']
  /** While it is, questions are given `TEST_HELP`, as the turn runner would give them other help. */
  isAgentAway: boolean
  /** Whether anybody gives other help. */
  isHelpGiven: boolean
  /** What the pages say of the service now. */
  service: ServiceProfile
  /** Who wants to hear of changes of the level; a test that makes one calls them. */
  readonly levelListeners: ReadonlySet<() => void>
  /** Somebody with a browser of their own. */
  visitor(): TestVisitor
  /** Lets the agent answer the oldest open question. */
  answer(text: string, outcome?: TurnOutcome): Promise<void>
  /** Claims the oldest open question for a turn written by hand. */
  claim(): Promise<Claim>
}

export interface TestVisitor {
  /** The `Cookie` header as this visitor sends it now; empty at first. */
  cookie: string
  /** What an address bar, a form or `fetch` of the same origin sends, with the cookies kept. */
  request(method: string, url: string, options?: Partial<ServerInjectOptions>): Promise<ServerInjectResponse>
  /** A JSON request and its JSON answer. */
  json(method: string, url: string, body?: unknown): Promise<JsonAnswer>
  /** A new session of this visitor. */
  session(): Promise<string>
}

export interface JsonAnswer {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, unknown>>
}

/** Other help, as if one page had been found. */
export const TEST_HELP = [
  'Sorry, the assistant is not working at the moment. Your question has been kept. It will be answered when the assistant is working again.',
  'This page may help:',
  '- [Slow answers](/help/slow-answers): Why an answer may take long, and what you can do.',
  'If you need an answer now, [get help another way](#other-help).',
].join('\n\n')

export const TEST_SETTINGS: GatewaySettings = {
  secret: TEST_SECRET,
  publicOrigin: undefined,
  brand: 'generic',
  isProduction: false,
  sessionTtlMs: 60 * 60 * 1000,
  personalInformation: 'warn',
  trustedLinkHosts: ['gov.uk'],
  trustedProxyHops: 0,
}

export async function createTestGateway(
  settings: Partial<GatewaySettings> = {},
  ports: Partial<Pick<GatewayOptions, 'log' | 'pages'>> = {},
): Promise<TestGateway> {
  const clock = createSimulatedClock()
  const chance = seededRandom(11)
  const randomBytes = (count: number): Uint8Array => chance.bytes(count)
  const log = ports.log ?? createMemoryLog({ clock, random: randomBytes })
  const events = createRecordedEvents()
  const server = createServer(serverOptions(createListener(), { host: '127.0.0.1', port: 0 }))
  const levelListeners = new Set<() => void>()
  const state: Pick<TestGateway, keyof ServiceStanding | 'isAgentAway' | 'isHelpGiven' | 'service'> = {
    ...ALL_WORKS,
    isAgentAway: false,
    isHelpGiven: true,
    service: plainProfile('Ask a test'),
  }
  await server.register({
    plugin: gateway,
    options: {
      log,
      standing: () => ({ level: state.level, away: state.away, answersTakeMs: state.answersTakeMs }),
      onStandingChange(listener) {
        levelListeners.add(listener)
        return () => void levelListeners.delete(listener)
      },
      isAgentAway: () => state.isAgentAway,
      doAnswersWait: () => state.isAgentAway,
      service: () => state.service,
      clock,
      chance: chance.next,
      randomBytes,
      events,
      settings: { ...TEST_SETTINGS, ...settings },
      isWholeServer: true,
      ...(ports.pages === undefined ? {} : { pages: ports.pages }),
    },
  })
  log.onWork(() => {
    if (state.isAgentAway && state.isHelpGiven) void giveHelp(log)
  })
  return Object.assign(state, {
    server,
    log,
    clock,
    events,
    visitor: () => createTestVisitor(server),
    answer: async (text: string, outcome: TurnOutcome = 'complete') => {
      const claimed = await claimOldest(log)
      const result = await log.write(claimed, wholeAnswer(claimed, text, outcome))
      if (result.type !== 'written') throw new Error(`the answer was ${result.type}`)
    },
    claim: () => claimOldest(log),
    levelListeners,
    async [Symbol.asyncDispose]() {
      await server.stop({ timeout: 1 })
      await log[Symbol.asyncDispose]()
    },
  })
}

async function claimOldest(log: ConversationLog): Promise<Claim> {
  const [claimed] = await log.claim('test', 60_000, 1)
  if (claimed === undefined) throw new Error('no question is open')
  return claimed
}

/** Gives what waits other help, and the turns back. */
async function giveHelp(log: ConversationLog): Promise<void> {
  for (const claim of await log.claimUntold('help', 60_000, 8)) {
    const read = await log.read(claim.session, undefined, READ_ENTRIES_MAX)
    const asked =
      read.type === 'entries' ? read.entries.find((entry) => entry.kind === 'message' && entry.turnId === claim.turnId) : undefined
    if (asked?.kind === 'message') {
      const about = { turnId: claim.turnId, inReplyTo: asked.messageId, reason: 'circuit-breaker-open' } as const
      await log.write(claim, [{ kind: 'notice', topic: 'fallback', ...about, text: TEST_HELP }])
    }
    await log.release(claim)
  }
}

/** Start, one part and end, as the turn runner writes them. */
const wholeAnswer = ({ turnId, fence }: Claim, text: string, outcome: TurnOutcome): readonly TurnBody[] => [
  { kind: 'turn-started', turnId, attempt: 1, fence },
  { kind: 'answer-part', turnId, attempt: 1, index: 0, persona: undefined, text },
  {
    kind: 'turn-ended',
    turnId,
    attempt: 1,
    outcome,
    reason: undefined,
    parts: 1,
    chars: text.length,
    sha256: createHash('sha256').update(text).digest('hex'),
  },
]

function createTestVisitor(server: Server): TestVisitor {
  const visitor: TestVisitor = {
    cookie: '',
    async request(method, url, options = {}) {
      const response = await server.inject({
        method,
        url,
        ...options,
        headers: { host: TEST_HOST, ...(visitor.cookie === '' ? {} : { cookie: visitor.cookie }), ...options.headers },
      })
      visitor.cookie = keptCookies(visitor.cookie, response.headers['set-cookie'])
      return response
    },
    async json(method, url, body) {
      const options = body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      const response = await visitor.request(method, url, options)
      return {
        status: response.statusCode,
        body: response.payload === '' ? undefined : JSON.parse(response.payload),
        headers: response.headers,
      }
    },
    async session() {
      const { body } = await visitor.json('POST', '/api/v1/sessions')
      return String(Object(body).sessionId)
    },
  }
  return visitor
}

/** The jar after an answer: a cookie of the same name takes the place of the one before. */
function keptCookies(jar: string, set: string | readonly string[] | undefined): string {
  const cookies = new Map(jar.split('; ').flatMap((pair) => (pair === '' ? [] : [splitPair(pair)])))
  for (const header of [set ?? []].flat()) {
    const [name, value] = splitPair(header.split(';')[0] ?? '')
    cookies.set(name, value)
  }
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
}

function splitPair(pair: string): readonly [string, string] {
  const equals = pair.indexOf('=')
  return [pair.slice(0, equals), pair.slice(equals + 1)]
}
