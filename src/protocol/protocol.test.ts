import fc from 'fast-check'
import { expect, expectTypeOf, test } from 'vitest'
import type { Item } from '../conversation/conversation.ts'
import { TURN_END_REASONS, TURN_OUTCOMES, NOTICE_REASONS, NOTICE_TOPICS, type Entry } from '../conversation/entry.ts'
import { SERVER_DEVICE } from '../conversation/ids.ts'
import { DURABILITIES } from '../conversation/durability.ts'
import * as limits from '../conversation/limits.ts'
import { checkQuestion, utf8Bytes } from '../conversation/question-text.ts'
import { CLOSE_CODES, mayReconnect } from './close-codes.ts'
import { formatFrames, isTooDeep, parseClientFrames, parseServerFrames } from './parse-frame.ts'
import { LEVELS, PARTS, REJECT_CODES, type ClientFrame, type ServerFrame } from './protocol.ts'

// ── every frame there can be ─────────────────────────────────────────────────

const hexOf = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`))
const id = hexOf(24)
const session = hexOf(32)
const messageId = fc.uuid()
const text = fc.oneof(fc.string(), fc.constantFrom('', '\n', '{"type":"stop"}\n{', '\u2028', '"\\', '\u202E', 'é🙂'))
const count = fc.nat()
const position = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
const device = fc.oneof(id, fc.constant<string>(SERVER_DEVICE))
const cursor = fc.record({ logId: id, seq: position, id })
const head = maybe(fc.record({ seq: position, id }))
const reason = maybe(fc.constantFrom(...TURN_END_REASONS))
const place = { seq: position, id, prev: maybe(id), at: count }
const notice = {
  topic: fc.constantFrom(...NOTICE_TOPICS),
  turnId: id,
  inReplyTo: messageId,
  reason: fc.constantFrom(...NOTICE_REASONS),
  text,
}

const entry = fc.oneof(
  fc.record({
    ...place,
    kind: fc.constant('message'),
    messageId,
    turnId: id,
    device,
    number: position,
    text,
    inReplyTo: maybe(messageId),
  }),
  fc.record({ ...place, kind: fc.constant('turn-started'), turnId: id, attempt: position, fence: count }),
  fc.record({
    ...place,
    kind: fc.constant('answer-part'),
    turnId: id,
    attempt: position,
    index: count,
    persona: maybe(text),
    text,
  }),
  fc.record({ ...place, kind: fc.constant('turn-superseded'), turnId: id, attempt: position }),
  fc.record({ ...place, kind: fc.constant('stop-requested'), turnId: id }),
  fc.record({
    ...place,
    kind: fc.constant('turn-ended'),
    turnId: id,
    attempt: count,
    outcome: fc.constantFrom(...TURN_OUTCOMES),
    reason,
    parts: count,
    chars: count,
    sha256: hexOf(64),
  }),
  fc.record({ ...place, kind: fc.constant('notice'), ...notice }),
)

const item = fc.oneof(
  fc.record({
    kind: fc.constant('question'),
    seq: position,
    at: count,
    messageId,
    turnId: id,
    text,
    inReplyTo: maybe(messageId),
    status: fc.constantFrom('sent', 'queued', 'delivered', 'answered', 'failed', 'expired', 'cancelled'),
    isStopping: fc.boolean(),
    reason,
  }),
  fc.record({
    kind: fc.constant('answer'),
    seq: position,
    at: count,
    turnId: id,
    attempt: position,
    inReplyTo: messageId,
    persona: maybe(text),
    text,
    parts: count,
    status: fc.constantFrom('streaming', 'complete', 'stopped', 'interrupted', 'failed'),
    reason,
    isSuperseded: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('notice'),
    seq: position,
    at: count,
    ...notice,
  }),
)

const clientFrames = {
  hello: fc.record({ type: fc.constant('hello'), v: count, session, device, resume: maybe(cursor) }),
  send: fc.record({ type: fc.constant('send'), messageId, number: position, text, inReplyTo: maybe(messageId) }),
  stop: fc.record({ type: fc.constant('stop'), turnId: id }),
  probe: fc.record({ type: fc.constant('probe') }),
  pong: fc.record({ type: fc.constant('pong'), n: count, cursor: maybe(cursor) }),
} satisfies Record<ClientFrame['type'], unknown>

const standing = {
  level: fc.constantFrom(...LEVELS),
  away: maybe(fc.uniqueArray(fc.constantFrom(...PARTS), { maxLength: 3 })),
  answersTakeMs: maybe(count),
}

const serverFrames = {
  welcome: fc.record({
    type: fc.constant('welcome'),
    session,
    logId: id,
    head,
    outcome: fc.constantFrom('resumed', 'snapshot', 'fork'),
    durability: fc.constantFrom(...DURABILITIES),
    settled: count,
    lastNumber: count,
    pingMs: count,
    maxInFlight: fc.nat(limits.SENDS_IN_FLIGHT_MAX),
    reconnect: fc.record({ baseMs: count, capMs: count }),
    ...standing,
  }),
  snapshot: fc.record({ type: fc.constant('snapshot'), head, items: fc.array(item, { maxLength: 5 }), earlier: count }),
  entry: fc.record({ type: fc.constant('entry'), entry }),
  accepted: fc.record({ type: fc.constant('accepted'), messageId, number: position, seq: position, duplicate: fc.boolean() }),
  rejected: fc.record({
    type: fc.constant('rejected'),
    messageId,
    code: fc.constantFrom(...REJECT_CODES),
    temporary: fc.boolean(),
    retryAfterMs: maybe(count),
    expectedNumber: maybe(position),
  }),
  ping: fc.record({ type: fc.constant('ping'), n: count, head, settled: count }),
  block: fc.record({ type: fc.constant('block'), turnId: id, attempt: position, index: count, html: text, upTo: count }),
  level: fc.record({ type: fc.constant('level'), ...standing }),
  drain: fc.record({ type: fc.constant('drain'), afterMs: count, windowMs: count, deadlineMs: count }),
  bye: fc.record({
    type: fc.constant('bye'),
    code: count,
    retry: fc.constantFrom('never', 'resume', 'fresh'),
    afterMs: count,
  }),
} satisfies Record<ServerFrame['type'], unknown>

const anyClientFrame = fc.oneof(...Object.values(clientFrames)) as fc.Arbitrary<ClientFrame>
const anyServerFrame = fc.oneof(...Object.values(serverFrames)) as fc.Arbitrary<ServerFrame>
const taken = <Frame>(frames: readonly Frame[]) => frames.map((frame) => ({ ok: true, frame }))

// ── there and back ───────────────────────────────────────────────────────────

test('[P1] every frame of a message reads back as it was written, in order, whatever its text holds', () => {
  fc.assert(
    fc.property(fc.array(anyClientFrame, { minLength: 1, maxLength: 6 }), (frames) => {
      expect(parseClientFrames(formatFrames(frames))).toEqual(taken(frames))
    }),
  )
  fc.assert(
    fc.property(fc.array(anyServerFrame, { minLength: 1, maxLength: 6 }), (frames) => {
      expect(parseServerFrames(formatFrames(frames))).toEqual(taken(frames))
    }),
  )
})

test('[P1] frames mean the same in one message and in several', () => {
  fc.assert(
    fc.property(fc.array(anyServerFrame, { minLength: 2, maxLength: 6 }), fc.nat(), (frames, where) => {
      const cut = 1 + (where % (frames.length - 1))
      const apart = [frames.slice(0, cut), frames.slice(cut)].map((part) => formatFrames(part))
      expect(apart.flatMap((message) => parseServerFrames(message))).toEqual(parseServerFrames(formatFrames(frames)))
    }),
  )
})

test('[P1] every field of a frame is needed, none may be added, and none may be null', () => {
  fc.assert(
    fc.property(anyServerFrame, fc.nat(), (frame, which) => {
      const [field = '', value] = Object.entries(frame)[which % Object.keys(frame).length] ?? []
      const { [field]: _left, ...without } = { ...frame } as Record<string, unknown>
      const isNeeded = value !== undefined && !OPTIONAL.has(`${frame.type}.${field}`)
      expect(parsesAsServerFrame(without)).toBe(!isNeeded)
      expect(parsesAsServerFrame({ ...frame, [field]: null })).toBe(false)
      expect(parsesAsServerFrame({ ...frame, extra: 1 })).toBe(false)
    }),
  )
})
const OPTIONAL = new Set([
  'welcome.head',
  'snapshot.head',
  'ping.head',
  'rejected.retryAfterMs',
  'rejected.expectedNumber',
  'welcome.away',
  'welcome.answersTakeMs',
  'level.away',
  'level.answersTakeMs',
])
const parsesAsServerFrame = (value: unknown): boolean => parseServerFrames(JSON.stringify(value))[0]?.ok === true

test('[P1] neither end takes the frames of the other', () => {
  fc.assert(
    fc.property(anyServerFrame, (frame) => {
      expect(parseClientFrames(formatFrames([frame]))).toEqual([{ ok: false, problem: expect.any(String) }])
    }),
  )
  fc.assert(
    fc.property(anyClientFrame, (frame) => {
      expect(parseServerFrames(formatFrames([frame]))).toEqual([{ ok: false, problem: expect.any(String) }])
    }),
  )
})

test('[P1] whatever the log holds and the fold makes can be sent', () => {
  expectTypeOf<Entry>().toExtend<Extract<ServerFrame, { type: 'entry' }>['entry']>()
  expectTypeOf<Extract<ServerFrame, { type: 'entry' }>['entry']>().toExtend<Entry>()
  expectTypeOf<Item>().toExtend<Extract<ServerFrame, { type: 'snapshot' }>['items'][number]>()
  expectTypeOf<Extract<ServerFrame, { type: 'snapshot' }>['items'][number]>().toExtend<Item>()
})

// ── what is not a frame ──────────────────────────────────────────────────────

test('[P2] whatever arrives is taken or refused line by line, and never throws', () => {
  const line = fc.oneof(
    fc.string(),
    fc.json(),
    fc.string({ unit: 'binary' }),
    anyClientFrame.map((frame) => JSON.stringify(frame)),
  )
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
      const message = lines.join('\n')
      const alone = message.split('\n').flatMap((one) => parseClientFrames(one))
      expect(parseClientFrames(message)).toEqual(alone)
      expect(alone).toHaveLength(message.split('\n').length)
    }),
  )
})

test('[P2] a frame with one character changed is refused, or is a frame', () => {
  fc.assert(
    fc.property(anyClientFrame, fc.nat(), fc.string({ minLength: 0, maxLength: 2 }), (frame, where, put) => {
      const written = formatFrames([frame])
      const at = where % written.length
      for (const parsed of parseClientFrames(written.slice(0, at) + put + written.slice(at + 1))) {
        const again = parsed.ok ? parseClientFrames(formatFrames([parsed.frame])) : [parsed]
        expect(again).toEqual([parsed])
      }
    }),
  )
})

test('[P2] a frame that was cut anywhere is refused', () => {
  fc.assert(
    fc.property(anyServerFrame, (frame) => {
      const written = formatFrames([frame])
      for (let end = 0; end < written.length; end += 1) expect(parseServerFrames(written.slice(0, end))[0]?.ok).toBe(false)
    }),
    { numRuns: 20 },
  )
})

test.each([
  ['nothing', ''],
  ['null', 'null'],
  ['an array', '[]'],
  ['a string', '"hello"'],
  ['no type', '{}'],
  ['cut', '{"type":"hello"'],
  ['a type that only looks right as text', '{"type":["stop"],"turnId":"aaaaaaaaaaaaaaaaaaaaaaaa"}'],
  ['a type by inheritance', '{"__proto__":{"type":"probe"}}'],
  ['a prototype', '{"type":"probe","__proto__":{}}'],
  ['a name that every object has', '{"type":"constructor"}'],
  ['an id in capitals', '{"type":"stop","turnId":"AAAAAAAAAAAAAAAAAAAAAAAA"}'],
  ['an id with a line feed behind it', '{"type":"stop","turnId":"aaaaaaaaaaaaaaaaaaaaaaaa\\n"}'],
  ['a count below zero', '{"type":"pong","n":-1}'],
  ['half a count', '{"type":"pong","n":1.5}'],
  ['infinity', '{"type":"pong","n":1e999}'],
  ['a number that is not exact', '{"type":"pong","n":9007199254740993}'],
  ['a number in quotes', '{"type":"pong","n":"1"}'],
  ['null for nothing', '{"type":"pong","n":1,"cursor":null}'],
  ['the number zero', `{"type":"send","messageId":"00000000-0000-4000-8000-000000000000","number":0,"text":"a"}`],
  [
    'a text longer than any question',
    `{"type":"send","messageId":"00000000-0000-4000-8000-000000000000","number":1,"text":"${'a'.repeat(limits.QUESTION_BYTES_MAX * 2 + 1)}"}`,
  ],
])('[P2] %s is no frame', (_name, message) => {
  expect(parseClientFrames(message)).toEqual([{ ok: false, problem: expect.any(String) }])
})

test('[P3] nesting that is too deep is refused before it is parsed', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  expect([limits.JSON_DEPTH_MAX, limits.JSON_DEPTH_MAX + 1].map((depth) => isTooDeep(nested(depth)))).toEqual([false, true])
  expect(parseClientFrames('{"a":'.repeat(1_000_000))).toEqual([{ ok: false, problem: `nested deeper than ${limits.JSON_DEPTH_MAX}` }])
  expect(parseClientFrames('['.repeat(limits.FRAME_BYTES_MAX))).toEqual([
    { ok: false, problem: `nested deeper than ${limits.JSON_DEPTH_MAX}` },
  ])
})

test('[P3] brackets within strings nest nothing', () => {
  const depth = limits.JSON_DEPTH_MAX * 2
  for (const inside of ['['.repeat(depth), '\\"[{'.repeat(depth), '\\\\', '\\\\\\"' + '{'.repeat(depth)])
    expect(isTooDeep(`{"text":"${inside}"}`)).toBe(false)
  expect(isTooDeep(`{"text":"\\\\"${'['.repeat(depth)}`)).toBe(true)
})

test('[P4] every question that may be asked fits into one message, whatever it is written with', () => {
  const unit = fc.constantFrom('"', '\\', '\n', '\t', '\u2028', '\u0085', 'a', 'é', '€', '🙂', '👨‍👩‍👧‍👦', 'ก็็็', '\uFFFF')
  fc.assert(
    fc.property(unit, fc.nat(limits.QUESTION_GRAPHEMES_MAX), (character, length) => {
      const checked = checkQuestion(`a${character.repeat(length)}a`)
      if (!checked.ok) return
      const number = Number.MAX_SAFE_INTEGER
      const frame = { type: 'send', messageId: QUESTION_ID, number, text: checked.text, inReplyTo: QUESTION_ID } as unknown as ClientFrame
      const message = formatFrames([frame])
      expect(utf8Bytes(message)).toBeLessThanOrEqual(limits.FRAME_BYTES_MAX)
      expect(parseClientFrames(message)).toEqual(taken([frame]))
    }),
  )
})
const QUESTION_ID = '00000000-0000-7000-8000-000000000000'

// ── the end of a link ────────────────────────────────────────────────────────

test('[P5] the close code alone says whether a client comes back: not after its own goodbye and 4400 to 4499, else always', () => {
  const codes = Array.from({ length: 4_000 }, (_unused, index) => index + 1000)
  expect(codes.filter((code) => !mayReconnect(code))).toEqual([1000, ...codes.filter((code) => code >= 4400 && code <= 4499)])
  const never = Object.entries(CLOSE_CODES).flatMap(([name, code]) => (mayReconnect(code) ? [] : [name]))
  expect(never).toEqual(['normal', 'protocol', 'sessionExpired', 'forbidden', 'sessionGone', 'version', 'flood'])
})

test('[P5] every close code may be sent by a server and is one of its own', () => {
  const codes = Object.values(CLOSE_CODES)
  expect(new Set(codes).size).toBe(codes.length)
  expect(codes.filter((code) => !(code === 1000 || (code >= 1012 && code <= 1013) || (code >= 4000 && code <= 4999)))).toEqual([])
})
