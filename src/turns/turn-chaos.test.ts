import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Entry } from '../conversation/entry.ts'
import { mintMessageId, mintSessionId, SERVER_DEVICE, type SessionId, type VisitorId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { createMemoryStore } from '../conversation-log/memory-log.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { emptyTurnLog, extendTurnLog, viewTurn } from './turn-log.ts'
import { DEFAULT_TURN_SETTINGS } from './turn-settings.ts'
import type { Errand, Turn, TurnContext, TurnEffect, TurnEvent } from './turn-state.ts'
import { nextDeadline, openTurn, step } from './turn.ts'

/**
 * What may happen to a command of an owner: done and answered; done, and the answer lost; refused;
 * or refused as far as the owner knows, and done later.
 */
const FATES = ['done', 'lost', 'refused', 'late'] as const
type Fate = (typeof FATES)[number]

const happeningWith = (fates: readonly Fate[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(5, 30, 400, 2_000, 6_000) }) },
    { weight: 24, arbitrary: fc.record({ type: fc.constant('command' as const), which: fc.nat(7), fate: fc.constantFrom(...fates) }) },
    { weight: 16, arbitrary: fc.record({ type: fc.constant('say' as const), owner: fc.nat(3), text: fc.string({ maxLength: 9 }) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant('end' as const),
        owner: fc.nat(3),
        how: fc.constantFrom('finished', 'failed', 'unreachable', 'stopped'),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('claim' as const),
        asks: fc.nat(3),
        errand: fc.constantFrom('answer' as const, 'answer' as const, 'tell' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('stop' as const) }) },
    { weight: 6, arbitrary: fc.record({ type: fc.constant('agent' as const), isAway: fc.boolean() }) },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('leave' as const), owner: fc.nat(3), how: fc.constantFrom('drain', 'hand-over') }),
    },
  )
type Happening = ReturnType<typeof happeningWith> extends fc.Arbitrary<infer Value> ? Value : never

interface Owner {
  turn: Turn
  isAsked: boolean
}
interface Command {
  readonly owner: Owner
  readonly effect: TurnEffect
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
const settings = { ...DEFAULT_TURN_SETTINGS, storeBackoff: { baseMs: 100, capMs: 400 } }

/** One question, several owners that live, die and wake up, and a store that forgets to answer. */
class Chaos {
  readonly #random = seededRandom(23)
  readonly #bytes = (count: number): Uint8Array => this.#random.bytes(count)
  readonly #store = createMemoryStore({ now: () => this.#now, leaseNow: () => this.#now, random: this.#bytes })
  readonly #session: SessionId
  readonly #owners: Owner[] = []
  #commands: Command[] = []
  #now = 1_000_000
  #isAgentAway: boolean
  #lateWrites = 0
  #refusals = 0

  constructor(isAgentAway: boolean) {
    this.#isAgentAway = isAgentAway
    const session = mintSessionId(this.#bytes)
    this.#session = session
    this.#store.createSession({ id: session, visitor: 'visitor-0123456789' as VisitorId, ttlMs: 172_800_000 })
    const messageId = mintMessageId(0, this.#bytes)
    this.#store.ask(session, { messageId, device: SERVER_DEVICE, number: undefined, text: 'How?', inReplyTo: undefined })
  }

  get entries(): readonly Entry[] {
    const read = this.#store.read(this.#session, undefined, READ_ENTRIES_MAX)
    return read.type === 'entries' ? read.entries : []
  }

  /** Writes that broke the log's rules though every earlier one had been done, or never would be, when the log was read. */
  get mistakes(): number {
    return this.#lateWrites > 0 ? 0 : this.#refusals
  }

  happen(what: Happening): void {
    const owner = 'owner' in what ? this.#owners[what.owner % Math.max(1, this.#owners.length)] : undefined
    switch (what.type) {
      case 'pass':
        return this.#pass(what.ms)
      case 'command':
        return this.#carryOut(what.which, what.fate)
      case 'say':
        if (owner?.isAsked === true) this.#tell(owner, { type: 'agent-text', text: what.text, persona: undefined })
        return
      case 'end':
        if (owner?.isAsked === true) this.#tell(owner, endOf(what.how))
        return
      case 'claim':
        return this.#claim(what.asks, what.errand)
      case 'stop':
        this.#store.stop(this.#session, this.#turnId())
        return
      case 'agent':
        this.#agent(what.isAway)
        return
      case 'leave':
        if (owner !== undefined) this.#tell(owner, { type: what.how === 'drain' ? 'drain' : 'hand-over' })
    }
  }

  #agent(isAway: boolean): void {
    this.#isAgentAway = isAway
    if (isAway) return
    for (const owner of this.#owners) this.#tell(owner, { type: 'agent-changed' })
  }

  /** Everything works again: true once the turn has ended. */
  heal(): boolean {
    this.#agent(false)
    for (let round = 0; round < 200; round += 1) {
      if (this.entries.some((entry) => entry.kind === 'turn-ended')) return true
      this.#claim(9, 'answer')
      while (this.#commands.length > 0) this.#carryOut(0, 'done')
      for (const owner of this.#owners.filter(({ isAsked }) => isAsked)) {
        this.#tell(owner, { type: 'agent-text', text: 'Well.', persona: undefined })
        this.#tell(owner, { type: 'agent-finished' })
      }
      this.#pass(500)
    }
    return false
  }

  #turnId() {
    const [message] = this.entries
    if (message?.kind !== 'message') throw new Error('no question')
    return message.turnId
  }

  #claim(asks: number, errand: Errand): void {
    const claims =
      errand === 'answer' ? this.#store.claim('owner', settings.leaseMs, 1) : this.#store.claimUntold('owner', settings.leaseMs, 1)
    for (const claim of claims) {
      const again = this.#owners[asks]
      if (again !== undefined) {
        this.#tell(again, { type: 'reclaimed', claim, since: this.#now })
        if (again.turn.status !== 'done') continue
      }
      const [turn, effects] = openTurn(claim, this.#now, this.#context(), errand)
      const owner: Owner = { turn, isAsked: false }
      this.#owners.push(owner)
      this.#perform(owner, effects)
    }
  }

  #pass(ms: number): void {
    this.#now += ms
    for (const owner of this.#owners) {
      const due = nextDeadline(owner.turn)
      if (due !== undefined && due <= this.#now) this.#tell(owner, { type: 'tick' })
    }
  }

  #tell(owner: Owner, event: TurnEvent): void {
    const [turn, effects] = step(owner.turn, event, this.#context())
    owner.turn = turn
    this.#perform(owner, effects)
  }

  #perform(owner: Owner, effects: readonly TurnEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'ask') owner.isAsked = true
      else if (effect.type === 'cancel') owner.isAsked = false
      else if (effect.type !== 'report') this.#commands.push({ owner, effect })
    }
  }

  #carryOut(which: number, fate: Fate): void {
    const command = this.#commands[which % Math.max(1, this.#commands.length)]
    if (command === undefined) return
    this.#commands = this.#commands.filter((other) => other !== command)
    const { owner, effect } = command
    const failed = failureOf(effect)
    if (fate === 'refused' || fate === 'late') {
      if (failed !== undefined) this.#tell(owner, failed)
      // Done later, when the owner has long stopped waiting for it.
      if (fate === 'late' && effect.type === 'write') {
        this.#lateWrites += 1
        this.#commands.push({ owner: { turn: { status: 'done', how: 'fenced' }, isAsked: false }, effect })
      }
      return
    }
    const answer = this.#answer(effect)
    const told = fate === 'lost' ? failed : answer
    if (told !== undefined) this.#tell(owner, told)
  }

  #answer(effect: TurnEffect): TurnEvent | undefined {
    switch (effect.type) {
      case 'read':
        return { type: 'read', view: viewTurn(extendTurnLog(emptyTurnLog(this.#turnId()), this.entries)) }
      case 'write':
        try {
          return { type: this.#store.write(effect.claim, effect.bodies).type }
        } catch {
          // The store's own rules refuse what comes twice.
          this.#refusals += 1
          return { type: 'write-failed', isRetryable: false }
        }
      case 'renew':
        return { type: 'renewed', fence: effect.claim.fence, isHeld: this.#store.renew(effect.claim, settings.leaseMs) }
      case 'release':
        this.#store.release(effect.claim)
        return undefined
      case 'ask':
      case 'cancel':
      case 'report':
        return undefined
    }
  }

  #context(): TurnContext {
    return {
      now: this.#now,
      wallNow: this.#now,
      chance: () => this.#random.next(),
      digest,
      room: () => (this.#isAgentAway ? 'circuit-breaker-open' : 'free'),
      fallbackText: (question, situation) => `Other help (${situation}): ${question}`,
      settings,
    }
  }
}

function endOf(how: string): TurnEvent {
  if (how === 'unreachable') return { type: 'agent-failed', kind: 'unreachable' }
  if (how === 'failed') return { type: 'agent-failed', kind: 'error' }
  return how === 'finished' ? { type: 'agent-finished' } : { type: 'agent-stopped' }
}

function failureOf(effect: TurnEffect): TurnEvent | undefined {
  if (effect.type === 'read') return { type: 'read-failed', isRetryable: true }
  if (effect.type === 'write') return { type: 'write-failed', isRetryable: true }
  return effect.type === 'renew' ? { type: 'renew-failed', fence: effect.claim.fence, isRetryable: true } : undefined
}

/** What is wrong with a turn's entries, in words; empty when nothing is. */
function faultsOf(entries: readonly Entry[]): readonly string[] {
  const faults: string[] = []
  let attempt = 0
  let parts: string[] = []
  let hasEnded = false
  for (const entry of entries) {
    if (hasEnded && entry.kind !== 'stop-requested' && entry.kind !== 'notice') faults.push(`${entry.kind} after the end`)
    if (entry.kind === 'turn-started') {
      if (entry.attempt !== attempt + 1) faults.push('attempts out of order')
      ;({ attempt } = entry)
      parts = []
    } else if (entry.kind === 'answer-part') {
      if (entry.attempt !== attempt || entry.index !== parts.length) faults.push('a part out of place')
      parts.push(entry.text)
    } else if (entry.kind === 'turn-ended') {
      hasEnded = true
      const whole = parts.join('')
      if (entry.attempt !== attempt || entry.parts !== parts.length || entry.chars !== whole.length || entry.sha256 !== digest(whole))
        faults.push('an end that does not fit')
    }
  }
  const failed = entries.some((entry) => entry.kind === 'turn-ended' && entry.outcome === 'failed')
  const notices = entries.filter((entry) => entry.kind === 'notice').length
  if (notices > 1) faults.push('other help given twice')
  if (failed && notices === 0) faults.push('no other help')
  return faults
}

test.each([
  ['loses and refuses', ['done', 'lost', 'refused']],
  ['loses, refuses and delays', FATES],
] as const)('[T14][T16][T20][T52][T53] owners that die, pause and wake, and a store that %s, leave one true answer', (_name, fates) => {
  const outcomes = new Set<string>()
  fc.assert(
    fc.property(fc.boolean(), fc.array(happeningWith(fates), { minLength: 10, maxLength: 150 }), (isAway, happenings) => {
      const chaos = new Chaos(isAway)
      chaos.happen({ type: 'claim', asks: 0, errand: 'answer' })
      for (const what of happenings) {
        chaos.happen(what)
        expect(faultsOf(chaos.entries)).toEqual([])
      }
      expect(chaos.heal()).toBe(true)
      const { entries } = chaos
      expect([faultsOf(entries), chaos.mistakes]).toEqual([[], 0])
      const end = entries.find((entry) => entry.kind === 'turn-ended')
      const hasHelp = entries.some((entry) => entry.kind === 'notice')
      outcomes.add(`${end?.outcome}${hasHelp ? ', with other help' : ''}`)
    }),
    { numRuns: 600, seed: 1 },
  )
  // A run that never gets anywhere would prove nothing.
  const expected = [
    'complete',
    'complete, with other help',
    'failed, with other help',
    'interrupted',
    'stopped',
    'stopped, with other help',
  ]
  expect([...outcomes]).toEqual(expect.arrayContaining(expected))
})
