/**
 * A process of ours on real Redis, without its web server: the log, the turns with an agent that answers at once, and the server's
 * end of live links.
 */
import { createHash } from 'node:crypto'
import type { ConversationLog } from '../../src/conversation-log/conversation-log.ts'
import type { VisitorId } from '../../src/conversation/ids.ts'
import type { Admission } from '../../src/gateway/admission.ts'
import { createAnswerBlocks } from '../../src/gateway/answer-blocks.ts'
import { SocketSession, type LinkSocket } from '../../src/gateway/socket-session.ts'
import { ALL_WORKS } from '../../src/protocol/protocol.ts'
import { plainProfile } from '../../src/service-profile/service-profile.ts'
import { createTurnTrace } from '../../src/telemetry/turn-trace.ts'
import { createRecordedEvents, type RecordedEvents } from '../../src/testing/recorded-events.ts'
import { TEST_SETTINGS } from '../../src/testing/test-gateway.ts'
import { answering, createScriptedAgent } from '../../src/testing/scripted-agent.ts'
import { createTurnRunner } from '../../src/turns/turn-runner.ts'
import { DEFAULT_TURN_SETTINGS } from '../../src/turns/turn-settings.ts'
import { network, openLog } from './open-log.ts'

export interface ChatProcess extends AsyncDisposable {
  readonly log: ConversationLog
  readonly events: RecordedEvents
  /** The server's end of a link whose socket has just opened. */
  readonly accept: (socket: LinkSocket, visitor: VisitorId) => SocketSession
}

const PIECES = ['It depends. ', 'On what?\n\n', 'On the weather.']
const STORE_BACKOFF = { baseMs: 50, capMs: 500 }
/** No process of a test asks its pages to move. */
const STAYING = { plan: undefined, onPlan: () => () => undefined }
const free = { ok: true, release: () => undefined } as const
/** People in tests may ask as fast as they can. */
const WIDE_OPEN: Admission = {
  createSession: () => free,
  ask: () => free,
  report: () => free,
  openLink: () => free,
  joinSession: () => free,
}

export async function startChatProcess(options: Parameters<typeof openLog>[0], owner: string): Promise<ChatProcess> {
  const events = createRecordedEvents()
  const log = await openLog(options, { events })
  const agent = createScriptedAgent({
    script: (call) => answering(`About ${call.question.text}: `, ...PIECES)(call),
  })
  const runner = createTurnRunner({
    log,
    agent,
    owner,
    events,
    ...network,
    digest: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
    agentPresence: () => 'there',
    fallbackText: () => 'Other help.',
    traceOf: createTurnTrace('a secret'),
    settings: { ...DEFAULT_TURN_SETTINGS, storeBackoff: STORE_BACKOFF },
  })
  runner.run()
  const leaving = new AbortController()
  const service = plainProfile('Ask a test')
  const context = {
    log,
    admission: WIDE_OPEN,
    ...network,
    events,
    standing: () => ALL_WORKS,
    service: () => service,
    settings: TEST_SETTINGS,
  }
  return {
    log,
    events,
    accept: (socket, visitor) =>
      new SocketSession({ context, blocks: createAnswerBlocks(), socket, visitor, moves: STAYING, leaving: leaving.signal }),
    async [Symbol.asyncDispose]() {
      leaving.abort()
      await runner[Symbol.asyncDispose]()
      await log[Symbol.asyncDispose]()
    },
  }
}
