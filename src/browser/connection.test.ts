import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Entry } from '../conversation/entry.ts'
import { mintEntryId, mintLogId, mintMessageId, mintSessionId, mintTurnId, SERVER_DEVICE, type MessageId } from '../conversation/ids.ts'
import {
  CONNECT_TIMEOUT_MS,
  FRAME_BYTES_MAX,
  LINK_SILENCE_MAX_MS,
  OUTBOX_PATIENCE_MS,
  RECONNECT_CAP_MS,
  SENDS_IN_FLIGHT_MAX,
} from '../conversation/limits.ts'
import { utf8Bytes } from '../conversation/question-text.ts'
import { CLOSE_CODES } from '../protocol/close-codes.ts'
import { ALL_WORKS, type ServerFrame } from '../protocol/protocol.ts'
import { createFakeBrowserEnv, type FakeBrowserEnv, type FakeBrowserSocket } from '../testing/fake-browser-env.ts'
import { SimulatedDevice } from '../testing/simulated-device.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { Connection } from './connection.ts'

const random = seededRandom(1)
const bytes = (count: number): Uint8Array => random.bytes(count)
const SESSION = mintSessionId(bytes)
const SCOPE = { session: SESSION, visitor: 'somebody' }
const LOG = mintLogId(bytes)
const TURN = mintTurnId(bytes)
const question = (text: string): { readonly messageId: MessageId; readonly text: string; readonly inReplyTo: undefined } => ({
  messageId: mintMessageId(0, bytes),
  text,
  inReplyTo: undefined,
})

const WELCOME: ServerFrame = {
  type: 'welcome',
  session: SESSION,
  logId: LOG,
  head: undefined,
  outcome: 'snapshot',
  durability: 'fsync',
  settled: 0,
  lastNumber: 0,
  pingMs: 15_000,
  maxInFlight: SENDS_IN_FLIGHT_MAX,
  reconnect: { baseMs: 1_000, capMs: 30_000 },
  ...ALL_WORKS,
}
const NOTHING_YET: ServerFrame = { type: 'snapshot', head: undefined, items: [], earlier: 0 }

interface Page {
  readonly env: FakeBrowserEnv
  readonly connection: Connection
  readonly changes: () => number
  readonly newest: () => FakeBrowserSocket
}

function page(): Page {
  const env = createFakeBrowserEnv()
  const connection = new Connection(env, SCOPE)
  let changes = 0
  connection.onChange(() => {
    changes += 1
  })
  const newest = (): FakeBrowserSocket => {
    const socket = env.sockets.at(-1)
    if (socket === undefined) throw new Error('nothing was dialled')
    return socket
  }
  return { env, connection, changes: () => changes, newest }
}

/** A page whose link is open, on an empty log. */
function openPage(): Page {
  const opened = page()
  opened.newest().open()
  opened.newest().say(WELCOME, NOTHING_YET)
  return opened
}

/** A whole turn of a log that was empty. */
function turnEntries(text: string, sha256: string): readonly ServerFrame[] {
  const bodies = [
    {
      kind: 'message',
      messageId: mintMessageId(0, bytes),
      turnId: TURN,
      device: SERVER_DEVICE,
      number: 1,
      text: 'How?',
      inReplyTo: undefined,
    },
    { kind: 'turn-started', turnId: TURN, attempt: 1, fence: 1 },
    { kind: 'answer-part', turnId: TURN, attempt: 1, index: 0, persona: undefined, text },
    { kind: 'turn-ended', turnId: TURN, attempt: 1, outcome: 'complete', reason: undefined, parts: 1, chars: text.length, sha256 },
  ] as const
  let prev: Entry['prev']
  return bodies.map((body, index): ServerFrame => {
    const entry = { seq: index + 1, id: mintEntryId(bytes), prev, at: 0, ...body }
    prev = entry.id
    return { type: 'entry', entry }
  })
}
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('[K1][K21] it dials at once and says hello as soon as the socket is open', () => {
  const { env, newest, connection } = page()
  expect(env.sockets).toHaveLength(1)
  expect(newest().heard).toEqual([])
  newest().open()
  expect(newest().heard).toEqual([{ type: 'hello', v: 1, session: SESSION, device: connection.state.device, resume: undefined }])
})

test('[K21] it has one timer, whatever happens, and none once it must not come back', () => {
  const { env, newest, connection } = openPage()
  for (const happens of [
    () => connection.ask(question('One?')),
    () => env.happen('woke'),
    () => newest().say({ type: 'ping', n: 1, head: undefined, settled: 0 }),
    () => newest().end(1006),
    () => env.happen('online'),
    () => newest().open(),
  ]) {
    happens()
    expect(env.clock.waiting).toBe(1)
  }
  newest().say({ type: 'bye', code: CLOSE_CODES.sessionGone, retry: 'never', afterMs: 0 })
  expect([connection.state.link.status, env.clock.waiting]).toEqual(['closed', 0])
})

test('[K2][K21] time alone brings it back, again and again', async () => {
  const { env, newest } = page()
  for (let failures = 1; failures <= 8; failures += 1) {
    const dialled = env.sockets.length
    newest().end(1006)
    await env.clock.advance(RECONNECT_CAP_MS)
    expect(env.sockets.length).toBeGreaterThan(dialled)
  }
})

test('[K13][K21] a socket that says nothing is closed, and another is dialled', async () => {
  const { env, newest } = openPage()
  const first = newest()
  await env.clock.advance(LINK_SILENCE_MAX_MS)
  expect(first.closes).toEqual([CLOSE_CODES.normal])
  await env.clock.advance(RECONNECT_CAP_MS)
  expect(env.sockets.length).toBeGreaterThan(1)
})

test('[K1][K21] a socket that does not open is closed, and another is dialled', async () => {
  const { env, newest } = page()
  const first = newest()
  await env.clock.advance(CONNECT_TIMEOUT_MS + RECONNECT_CAP_MS)
  expect(first.closes).toEqual([CLOSE_CODES.normal])
  expect(env.sockets.length).toBeGreaterThan(1)
})

test('[K18][K21] an older socket is neither heard nor spoken to', () => {
  const { env, newest, connection } = openPage()
  const first = newest()
  first.end(1006)
  env.happen('online')
  newest().open()
  newest().say({ ...WELCOME, level: 'limited' }, NOTHING_YET)
  const { state } = connection
  first.open()
  first.say({ type: 'level', ...ALL_WORKS, level: 'offline' })
  first.babble('nonsense')
  first.end(4404)
  expect(connection.state).toBe(state)
  const spoken = first.messages.length
  connection.ask(question('One?'))
  expect(first.messages).toHaveLength(spoken)
  expect(newest().heard.at(-1)).toMatchObject({ type: 'send', text: 'One?' })
})

test('[K21][K80][K81] it moves from one socket to another, speaks on the old one until then, and closes each once', async () => {
  const { env, newest, connection } = openPage()
  const first = newest()
  first.say({ type: 'drain', afterMs: 0, windowMs: 1_000, deadlineMs: 25_000 })
  await env.clock.advance(1_000)
  const refused = newest()
  refused.end(1006)
  await env.clock.advance(1_000)
  const second = newest()
  expect(env.sockets).toHaveLength(3)
  second.open()
  connection.ask(question('One?'))
  expect([first.heard.at(-1)?.type, second.heard.at(-1)?.type]).toEqual(['send', 'hello'])
  expect([connection.state.link.status, env.clock.waiting]).toEqual(['open', 1])
  second.say({ ...WELCOME, outcome: 'resumed' })
  first.end(1000)
  expect([first.closes, refused.closes, second.closes]).toEqual([[CLOSE_CODES.normal], [], []])
  expect(second.heard.at(-1)).toMatchObject({ type: 'send', text: 'One?' })
  expect([connection.state.link.status, env.clock.waiting]).toEqual(['open', 1])
})

test('[P4][K7] questions that waited go out in order, each in a message that a server takes', () => {
  const { newest, connection } = page()
  // As long as a question may be, in characters that take much room.
  const long = 'ก็็็็'.repeat(1_000)
  const asked = Array.from({ length: SENDS_IN_FLIGHT_MAX }, (_unused, index) => question(`${index} ${long}`))
  for (const each of asked) connection.ask(each)
  newest().open()
  newest().say(WELCOME, NOTHING_YET)
  const { messages, heard } = newest()
  expect(heard.slice(1).map((frame) => frame.type === 'send' && [frame.number, frame.messageId])).toEqual(
    asked.map(({ messageId }, index) => [index + 1, messageId]),
  )
  expect(messages.reduce((sum, message) => sum + utf8Bytes(message), 0)).toBeGreaterThan(FRAME_BYTES_MAX)
  expect(messages.filter((message) => utf8Bytes(message) > FRAME_BYTES_MAX)).toEqual([])
})

test('[K21] whoever listens is told once of each change, and of nothing else', () => {
  const { newest, connection, changes, env } = openPage()
  const before = changes()
  newest().say({ type: 'level', ...ALL_WORKS, level: 'limited' })
  expect([changes() - before, connection.state.standing.level]).toEqual([1, 'limited'])
  connection.stop(TURN)
  connection.stop(TURN)
  connection.withdraw(mintMessageId(0, bytes))
  env.happen('offline')
  env.happen('offline')
  expect(changes() - before).toBe(3)
})

test('[K15] a page that comes back asks its link for a sign of life, and a person can ask to connect now', () => {
  const { env, newest, connection } = openPage()
  env.happen('woke')
  expect(newest().heard.at(-1)).toEqual({ type: 'probe' })
  newest().end(1006)
  expect(connection.state.link.status).toBe('waiting')
  connection.reconnectNow()
  expect(connection.state.link.status).toBe('connecting')
})

test('[K15] a device that is offline from the start is known to be, and connects when it is online', () => {
  const env = createFakeBrowserEnv()
  env.isDeviceOnline = false
  const connection = new Connection(env, SCOPE)
  expect(connection.state.isDeviceOnline).toBe(false)
  env.sockets.at(-1)?.end(1006)
  env.happen('online')
  expect([connection.state.isDeviceOnline, env.sockets.length]).toEqual([true, 2])
})

test('[K17] a finished answer is compared with its digest, and fetched anew when it differs', async () => {
  for (const [digest, mismatches] of [
    [sha256('All of it.'), 0],
    [sha256('Something else.'), 1],
  ] as const) {
    const { env, newest, connection } = openPage()
    newest().say(...turnEntries('All of it.', digest))
    await env.clock.settle()
    expect([connection.state.mismatches, connection.state.link.status]).toEqual([mismatches, mismatches === 0 ? 'open' : 'waiting'])
  }
})

test('[K17] a browser that cannot compute digests shows what came', async () => {
  for (const digestWith of [() => Promise.resolve(undefined), () => Promise.reject(new Error('no digests here'))]) {
    const { env, newest, connection } = openPage()
    env.digestWith = digestWith
    newest().say(...turnEntries('All of it.', sha256('All of it.')))
    await env.clock.settle()
    expect([connection.state.mismatches, connection.state.link.status]).toEqual([0, 'open'])
  }
})

test('[K12] it says when it holds as many questions as it can', () => {
  const { connection } = page()
  let held = 0
  for (; connection.hasRoom && held < 100; held += 1) connection.ask(question(`${held}?`))
  const { state } = connection
  connection.ask(question('One more?'))
  expect([held, connection.state]).toEqual([20, state])
})

test('[K45][K46] the running page follows by events where sockets fail, and the next one in its tab begins so', () => {
  const { env, newest, connection } = page()
  expect(env.rungs).toEqual(['socket'])
  newest().end(1006)
  env.clock.advanceSync(1_000)
  expect([env.rungs, env.rememberedRung]).toEqual([['socket', 'events'], undefined])
  newest().open()
  newest().say(WELCOME, NOTHING_YET, ...turnEntries('All of it.', sha256('All of it.')))
  expect([connection.state.link.status, env.rememberedRung]).toEqual(['open', 'events'])
  expect([env.questionOf(TURN), env.questionOf(mintTurnId(bytes))]).toEqual([expect.any(String), undefined])
  expect(new Connection(env, SCOPE).state.link.status).toBe('connecting')
  expect(env.rungs).toEqual(['socket', 'events', 'events'])
})

test('[K25][K26] the running page keeps what it is asked, and sends it when that is done, or when it cannot be', async () => {
  const device = new SimulatedDevice()
  const env = createFakeBrowserEnv(device)
  const connection = new Connection(env, SCOPE)
  env.sockets.at(-1)?.open()
  env.sockets.at(-1)?.say(WELCOME, NOTHING_YET)
  await env.clock.settle()
  const asked = question('Kept?')
  connection.ask(asked)
  expect(connection.state.questions.map(({ state }) => state.status)).toEqual(['keeping'])
  await env.clock.settle()
  expect(device.records).toMatchObject([{ messageId: asked.messageId, text: 'Kept?', visitor: 'somebody' }])
  expect(env.sockets.at(-1)?.heard.at(-1)).toMatchObject({ type: 'send', text: 'Kept?', number: 1 })
  env.isDeviceSilent = true
  connection.ask(question('Not kept?'))
  await env.clock.advance(OUTBOX_PATIENCE_MS)
  expect(env.sockets.at(-1)?.heard.at(-1)).toMatchObject({ type: 'send', text: 'Not kept?', number: 2 })
})

test('[K27][K36] the next page has what is kept, sends it, and hears of what others do', async () => {
  const device = new SimulatedDevice()
  const [first, second] = [createFakeBrowserEnv(device), createFakeBrowserEnv(device)]
  new Connection(first, SCOPE).ask(question('Who sends this?'))
  await first.clock.settle()
  const connection = new Connection(second, SCOPE)
  await second.clock.settle()
  expect(connection.state.questions.map(({ text, state }) => [text, state.status])).toEqual([['Who sends this?', 'kept']])
  const other = new Connection(first, SCOPE)
  other.ask(question('And this?'))
  await first.clock.settle()
  second.hint()
  await second.clock.settle()
  connection.withdraw(...connection.state.questions.map(({ messageId }) => messageId))
  await second.clock.settle()
  expect(device.records).toEqual([])
})

test('[K37] a page that is left closes its socket, and opens another when it comes back', () => {
  const { env, newest, connection } = openPage()
  env.happen('left')
  expect([newest().closes, connection.state.link.status]).toEqual([[1000], 'waiting'])
  env.happen('woke')
  expect(env.sockets).toHaveLength(2)
})
