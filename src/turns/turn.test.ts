import { describe, expect, test } from 'vitest'
import { ANSWER_CHARS_MAX, ANSWER_COALESCE_MS, ANSWER_PART_CHARS_MAX, TURN_ATTEMPTS_MAX } from '../conversation/limits.ts'
import {
  answering,
  ASK,
  asking,
  CANCEL,
  claim,
  ended,
  FRESH,
  help,
  OURS,
  part,
  Play,
  PLAY_EPOCH,
  PLAY_SETTINGS as settings,
  READ,
  renewing,
  STARTED,
  text,
  turnId,
  write,
} from '../testing/turn-play.ts'
import type { TurnEffect } from './turn-state.ts'
import { nextDeadline } from './turn.ts'

/** Turns with a write of unknown outcome that is being looked up. */
function unknownStart(): Play {
  const play = new Play()
  play.on({ type: 'read', view: FRESH })
  expect(play.on({ type: 'write-failed', isRetryable: true })).toEqual([])
  expect(play.pass(settings.storeBackoff.baseMs)).toEqual([READ])
  return play
}

function unknownPart(): Play {
  const play = answering('Yes. ')
  play.on(text('Bring '))
  play.pass(ANSWER_COALESCE_MS)
  play.on({ type: 'write-failed', isRetryable: true })
  play.on(text('it.'))
  expect(play.pass(settings.storeBackoff.baseMs)).toEqual([READ])
  return play
}

function unknownEnd(): Play {
  const play = answering('Yes. ')
  play.on({ type: 'agent-finished' })
  play.on({ type: 'write-failed', isRetryable: true })
  expect(play.pass(settings.storeBackoff.baseMs)).toEqual([READ])
  return play
}

describe('starting', () => {
  test('[T1] the agent is asked only once the start is durable', () => {
    const play = new Play()
    expect(play.effects).toEqual([READ])
    expect(play.on({ type: 'read', view: FRESH })).toEqual([write(STARTED)])
    expect(play.on({ type: 'written' })).toEqual([ASK])
    expect(play.facts).toEqual([{ type: 'started', attempt: 1 }])
  })

  test('[T2] text that an earlier owner showed is superseded in the write that starts the next attempt', () => {
    const play = new Play()
    const view = { ...FRESH, attempt: 2, fence: 2, parts: 4, text: 'I was say' }
    expect(play.on({ type: 'read', view })).toEqual([
      write({ kind: 'turn-superseded', turnId, attempt: 2 }, { kind: 'turn-started', turnId, attempt: 3, fence: 3 }),
    ])
  })

  test('[T2] an earlier attempt that showed nothing is simply asked again', () => {
    const play = new Play()
    expect(play.on({ type: 'read', view: { ...FRESH, attempt: 2, fence: 2 } })).toEqual([write({ ...STARTED, attempt: 3 })])
    expect(play.on({ type: 'written' })).toEqual([{ ...ASK, attempt: 3 }])
  })

  test('[T2] text that is marked as superseded already is not marked again', () => {
    const play = new Play()
    const view = { ...FRESH, attempt: 2, fence: 2, parts: 4, text: 'I was say', isSuperseded: true }
    expect(play.on({ type: 'read', view })).toEqual([write({ ...STARTED, attempt: 3 })])
  })

  test('[T11] a question that is too old is not asked', () => {
    const play = new Play({ ...claim, askedAt: PLAY_EPOCH - settings.questionExpiresMs })
    const given = { ...claim, askedAt: PLAY_EPOCH - settings.questionExpiresMs }
    expect(play.on({ type: 'read', view: FRESH })).toEqual([{ type: 'write', claim: given, bodies: [ended('expired', 'expired', [], 0)] }])
    expect(play.on({ type: 'written' })).toEqual([])
    expect([play.status, play.facts]).toEqual(['ended', [{ type: 'ended', outcome: 'expired', reason: 'expired' }]])
  })

  test('[T12] after the last attempt the question is not asked again, and its text is counted', () => {
    const play = new Play()
    const view = { ...FRESH, attempt: TURN_ATTEMPTS_MAX, fence: 2, parts: 1, text: 'cut' }
    expect(play.on({ type: 'read', view })).toEqual([
      write(ended('failed', 'too-many-attempts', ['cut'], TURN_ATTEMPTS_MAX), help('too-many-attempts', 'failed')),
    ])
  })

  test('[T13] a turn that has ended, or whose session is gone, is left alone', () => {
    for (const view of [{ ...FRESH, isOpen: false }, undefined]) {
      const play = new Play()
      expect([play.on({ type: 'read', view }), play.status]).toEqual([[], 'fenced'])
    }
  })
})

describe('answering', () => {
  test('[T3] text is gathered before it is appended, and one write is under way at a time', () => {
    const play = asking()
    expect(play.on(text('We '))).toEqual([])
    expect(play.facts).toEqual([{ type: 'first-text' }])
    expect(play.pass(ANSWER_COALESCE_MS - 1)).toEqual([])
    expect(play.on(text('have '))).toEqual([])
    expect(play.pass(1)).toEqual([write(part(0, 'We have '))])
    expect(play.on(text('moved'))).toEqual([])
    expect(play.pass(1_000)).toEqual([])
    // It has waited long enough while the first write was under way.
    expect(play.on({ type: 'written' })).toEqual([write(part(1, 'moved'))])
    expect(play.on({ type: 'written' })).toEqual([])
  })

  test('[T3] a full part is appended without waiting, and long text is split', () => {
    const play = asking()
    const long = 'a'.repeat(2 * ANSWER_PART_CHARS_MAX + 5)
    const [full, five] = ['a'.repeat(ANSWER_PART_CHARS_MAX), 'aaaaa']
    expect(play.on(text(long))).toEqual([write(part(0, full), part(1, full), part(2, five))])
  })

  test('[T3] another voice is another part', () => {
    const play = asking()
    play.on(text('One. ', 'ann'))
    expect(play.on(text('Two.', 'bob'))).toEqual([write({ ...part(0, 'One. '), persona: 'ann' }, { ...part(1, 'Two.'), persona: 'bob' })])
  })

  test('[T3][T5] an end is appended at once, with all that is pending and the digest of the whole', () => {
    const play = answering('Yes. ')
    play.on(text('Bring it.'))
    expect(play.on({ type: 'agent-finished' })).toEqual([write(part(1, 'Bring it.'), ended('complete', undefined, ['Yes. ', 'Bring it.']))])
    expect(play.on({ type: 'written' })).toEqual([])
    expect([play.status, play.facts]).toEqual(['ended', [{ type: 'ended', outcome: 'complete', reason: undefined }]])
  })

  test('[T3] an end that comes during a write follows it at once', () => {
    const play = asking()
    play.on(text('Yes.'))
    play.pass(ANSWER_COALESCE_MS)
    play.on(text(' No.'))
    expect(play.on({ type: 'agent-finished' })).toEqual([])
    expect(play.on({ type: 'written' })).toEqual([write(part(1, ' No.'), ended('complete', undefined, ['Yes.', ' No.']))])
  })

  test('[T3] more pieces than one write takes go out in several, the end in the last', () => {
    const play = asking()
    const voices = Array.from({ length: 70 }, (_unused, index) => `v${index}`)
    const sizes: number[] = []
    let effects: readonly TurnEffect[] = []
    for (const voice of voices) effects = [...effects, ...play.on(text('x', voice))]
    effects = [...effects, ...play.on({ type: 'agent-finished' })]
    while (effects.length > 0) {
      for (const effect of effects) if (effect.type === 'write') sizes.push(effect.bodies.length)
      effects = play.on({ type: 'written' })
    }
    expect([sizes, play.status]).toEqual([[2, 63, 6], 'ended'])
  })

  test('[T4] a character that comes in halves is stored whole', () => {
    const play = asking()
    play.on(text('\u{1F600}'.slice(0, 1)))
    expect(play.pass(1_000)).toEqual([])
    play.on(text('\u{1F600}'.slice(1)))
    expect(play.pass(ANSWER_COALESCE_MS)).toEqual([write(part(0, '\u{1F600}'))])
  })

  test('[T4] half a character is stored as one that could not be read', () => {
    const play = asking()
    play.on(text('a\udc00b\ud83d'))
    expect(play.on({ type: 'agent-failed', kind: 'broke-off' })).toEqual([
      write(part(0, 'a\uFFFDb\uFFFD'), ended('interrupted', 'agent-broke-off', ['a\uFFFDb\uFFFD'])),
    ])
  })

  test('[T6] before its first text a failure is `failed`, with its reason', () => {
    const kinds = ['unreachable', 'error', 'protocol', 'broke-off'] as const
    for (const kind of kinds) {
      expect(asking().on({ type: 'agent-failed', kind })).toEqual([
        write(ended('failed', `agent-${kind}`, []), help(`agent-${kind}`, 'failed')),
      ])
    }
    expect(asking().on({ type: 'agent-stopped' })).toEqual([
      write(ended('failed', 'agent-broke-off', []), help('agent-broke-off', 'failed')),
    ])
  })

  test('[T6] after it the turn is `interrupted` and what was said stays', () => {
    const play = answering('Yes. ')
    play.on(text('Bri'))
    expect(play.on({ type: 'agent-stopped' })).toEqual([write(part(1, 'Bri'), ended('interrupted', 'agent-broke-off', ['Yes. ', 'Bri']))])
    expect(answering('Yes. ').on({ type: 'agent-failed', kind: 'busy' })).toEqual([write(ended('interrupted', 'agent-busy', ['Yes. ']))])
  })

  test('[T7] an agent that says nothing is told to stop', () => {
    const play = asking()
    expect(play.pass(settings.firstTextTimeoutMs - 1)).toEqual([])
    expect(play.pass(1)).toEqual([CANCEL, write(ended('failed', 'first-token-timeout', []), help('first-token-timeout', 'failed'))])
  })

  test('[T7] an agent that falls silent is told to stop, and what it said stays', () => {
    const play = answering('Yes. ')
    expect(play.pass(settings.idleTimeoutMs - ANSWER_COALESCE_MS - 1)).toEqual([])
    expect(play.pass(1)).toEqual([CANCEL, write(ended('interrupted', 'idle-timeout', ['Yes. ']))])
  })

  test('[T7] an answer that never comes to its end is cut at the deadline', () => {
    const play = answering('0')
    const said = ['0']
    while (play.turn.status === 'answering') {
      expect(play.pass(9_000, { acknowledges: true })).toEqual(said.length === 1 ? [] : [write(part(said.length - 1, 'x'))])
      play.on(text('x'))
      said.push('x')
      if (play.now >= 117_000) break
    }
    expect(play.pass(settings.deadlineMs - play.now, { acknowledges: true })).toEqual([
      write(part(said.length - 1, 'x')),
      CANCEL,
      write(ended('interrupted', 'deadline', said)),
    ])
  })

  test('[T8] an answer that is too long is cut there and the agent told to stop', () => {
    const play = answering('a'.repeat(ANSWER_PART_CHARS_MAX))
    let kept = ANSWER_PART_CHARS_MAX
    let effects: readonly TurnEffect[] = []
    while (play.turn.status === 'answering') {
      effects = play.on(text('b'.repeat(100_000)))
      if (effects[0]?.type === 'write') play.on({ type: 'written' })
      kept += 100_000
    }
    expect(kept).toBeGreaterThan(ANSWER_CHARS_MAX)
    expect(effects.map((effect) => effect.type)).toEqual(['cancel', 'write'])
    const [, last] = effects
    expect(last?.type === 'write' ? last.bodies.at(-1) : undefined).toMatchObject({
      outcome: 'interrupted',
      reason: 'too-long',
      chars: ANSWER_CHARS_MAX,
    })
  })

  test.each(['too-long', 'withheld'] as const)('[A46] an answer that the agent ended early as %s keeps what was said', (reason) => {
    const play = answering('Yes. ')
    play.on(text('Bring'))
    expect(play.on({ type: 'agent-cut-short', reason })).toEqual([
      write(part(1, 'Bring'), ended('interrupted', reason, ['Yes. ', 'Bring'])),
    ])
    expect(asking().on({ type: 'agent-cut-short', reason })).toEqual([write(ended('failed', reason, []), help(reason, 'failed'))])
  })

  test('[T9] an answer of nothing but space is no answer', () => {
    expect(asking().on({ type: 'agent-finished' })).toEqual([write(ended('failed', 'empty-answer', []), help('empty-answer', 'failed'))])
    const play = asking()
    play.on(text(''))
    expect(play.status).toBe('asking')
    play.on(text(' \n'))
    expect(play.on({ type: 'agent-finished' })).toEqual([
      write(part(0, ' \n'), ended('failed', 'empty-answer', [' \n']), help('empty-answer', 'failed')),
    ])
  })
})

describe('stopping', () => {
  test('[T10] a turn stopped before its start ends without an attempt', () => {
    const play = new Play()
    expect(play.on({ type: 'read', view: { ...FRESH, isStopping: true } })).toEqual([write(ended('stopped', 'asked-to-stop', [], 0))])
    const other = new Play()
    other.on({ type: 'stop-requested' })
    expect(other.on({ type: 'read', view: FRESH })).toEqual([write(ended('stopped', 'asked-to-stop', [], 0))])
  })

  test('[T10] a turn stopped while it starts is never asked', () => {
    const play = new Play()
    play.on({ type: 'read', view: FRESH })
    expect(play.on({ type: 'stop-requested' })).toEqual([])
    expect(play.on({ type: 'written' })).toEqual([write(ended('stopped', 'asked-to-stop', []))])
  })

  test('[T10] the text of an owner that died counts when the turn is stopped after it', () => {
    const view = { ...FRESH, attempt: 1, fence: 2, parts: 2, text: 'I was say', isStopping: true }
    const effects = new Play().on({ type: 'read', view })
    expect(effects).toEqual([write({ ...ended('stopped', 'asked-to-stop', ['I was say']), parts: 2 })])
  })

  test('[T10] a turn stopped while the agent thinks or speaks keeps what has come', () => {
    expect(asking().on({ type: 'stop-requested' })).toEqual([CANCEL, write(ended('stopped', 'asked-to-stop', []))])
    const play = answering('Yes. ')
    play.on(text('Bri'))
    expect(play.on({ type: 'stop-requested' })).toEqual([
      CANCEL,
      write(part(1, 'Bri'), ended('stopped', 'asked-to-stop', ['Yes. ', 'Bri'])),
    ])
    expect([play.on(text('ng it')), play.on({ type: 'agent-finished' }), play.on({ type: 'stop-requested' })]).toEqual([[], [], []])
  })
})

describe('the store', () => {
  test('[T13] a fenced owner stops the agent and writes nothing more', () => {
    const play = asking()
    play.on(text('Yes.'))
    play.pass(ANSWER_COALESCE_MS)
    expect(play.on({ type: 'fenced' })).toEqual([CANCEL])
    expect([play.status, play.facts, nextDeadline(play.turn)]).toEqual(['fenced', [{ type: 'fenced' }], undefined])
  })

  test('[T14] a start that may or may not have been stored is looked up, then asked or started again', () => {
    expect(unknownStart().on({ type: 'read', view: OURS })).toEqual([ASK])
    expect(unknownStart().on({ type: 'read', view: FRESH })).toEqual([write(STARTED)])
    // Somebody else has started it meanwhile: the next write settles whose it is.
    expect(unknownStart().on({ type: 'read', view: { ...OURS, fence: 4 } })).toEqual([write({ ...STARTED, attempt: 2 })])
  })

  test('[T14] a part that may or may not have been stored is looked up, and written again only if it was not', () => {
    expect(unknownPart().on({ type: 'read', view: { ...OURS, parts: 2, text: 'Yes. Bring ' } })).toEqual([write(part(2, 'it.'))])
    expect(unknownPart().on({ type: 'read', view: { ...OURS, parts: 1, text: 'Yes. ' } })).toEqual([
      write(part(1, 'Bring '), part(2, 'it.')),
    ])
    const [torn, taken] = [unknownPart(), unknownPart()]
    expect([torn.on({ type: 'read', view: { ...OURS, parts: 0 } }), torn.status]).toEqual([[CANCEL], 'fenced'])
    expect([taken.on({ type: 'read', view: { ...OURS, attempt: 2, fence: 4 } }), taken.status]).toEqual([[CANCEL], 'fenced'])
  })

  test('[T14] an end that may or may not have been stored is looked up', () => {
    const stored = unknownEnd()
    expect([stored.on({ type: 'read', view: { ...OURS, parts: 1, isOpen: false } }), stored.status]).toEqual([[], 'ended'])
    expect(unknownEnd().on({ type: 'read', view: { ...OURS, parts: 1 } })).toEqual([write(ended('complete', undefined, ['Yes. ']))])
    const gone = unknownEnd()
    expect([gone.on({ type: 'read', view: undefined }), gone.status]).toEqual([[], 'fenced'])
  })

  test('[T14] the wait before looking grows while the store stays away, also when only its writes fail', () => {
    const play = new Play()
    play.on({ type: 'read-failed', isRetryable: true })
    expect([play.pass(999), play.pass(1)]).toEqual([[], [READ]])
    play.on({ type: 'read-failed', isRetryable: true })
    expect([play.pass(1_999), play.pass(1)]).toEqual([[], [READ]])
    expect(play.on({ type: 'read', view: FRESH })).toEqual([write(STARTED)])
    play.on({ type: 'write-failed', isRetryable: true })
    expect([play.pass(3_999), play.pass(1)]).toEqual([[], [READ]])
  })

  test('[T15] the lease is renewed every third of it', () => {
    const play = asking()
    play.now = settings.leaseMs / 3
    expect(play.on({ type: 'tick' })).toEqual([{ type: 'renew', claim }])
    expect(play.on({ type: 'tick' })).toEqual([])
    play.on({ type: 'renewed', fence: 3, isHeld: true })
    expect(nextDeadline(play.turn)).toBe((2 * settings.leaseMs) / 3)
  })

  test('[T15] once the lease has run out nothing is written until the store says that it is held', () => {
    const play = asking()
    const renewals: number[] = []
    const tickUntil = (until: number): void => {
      for (let due = nextDeadline(play.turn); due !== undefined && due <= until; due = nextDeadline(play.turn)) {
        play.now = due
        for (const effect of play.on({ type: 'tick' })) {
          expect(effect.type).toBe('renew')
          renewals.push(play.now)
          play.on({ type: 'renew-failed', fence: 3, isRetryable: true })
        }
      }
      play.now = until
    }
    tickUntil(settings.leaseMs)
    play.on(text('Yes.'))
    tickUntil(8_000)
    expect(renewals.map((at) => Math.round(at))).toEqual([1_667, 2_667, 4_667])
    play.now = nextDeadline(play.turn) ?? 0
    expect(play.on({ type: 'tick' })).toEqual([{ type: 'renew', claim }])
    expect(play.on({ type: 'renewed', fence: 3, isHeld: true })).toEqual([write(part(0, 'Yes.'))])
  })

  test('[T15] a lease that is lost stops everything, unless our own end has just been written', () => {
    const lost = renewing(answering())
    expect([lost.on({ type: 'renewed', fence: 3, isHeld: false }), lost.status]).toEqual([[CANCEL], 'fenced'])
    const own = renewing(answering())
    own.on({ type: 'agent-finished' })
    expect([own.on({ type: 'renewed', fence: 3, isHeld: false }), own.status]).toEqual([[], 'ending'])
    own.on({ type: 'written' })
    expect(own.status).toBe('ended')
  })

  test('[T18] a log that breaks its own rules is not written to', () => {
    for (const event of [
      { type: 'write-failed', isRetryable: false },
      { type: 'renew-failed', fence: 3, isRetryable: false },
    ] as const) {
      const play = renewing(answering())
      play.on(text('Go.'))
      play.pass(ANSWER_COALESCE_MS)
      expect([play.on(event), play.status]).toEqual([[CANCEL], 'broken'])
    }
    const play = new Play()
    expect([play.on({ type: 'read-failed', isRetryable: false }), play.status]).toEqual([[], 'broken'])
  })

  test('[T31] a session that is gone stops the agent and nothing is written', () => {
    const play = answering()
    expect([play.on({ type: 'gone' }), play.status]).toEqual([[CANCEL], 'fenced'])
  })
})

describe('draining', () => {
  test('[T17] what has not started is given back, what has goes on', () => {
    const play = new Play()
    expect([play.on({ type: 'drain' }), play.status]).toEqual([[{ type: 'release', claim }], 'released'])
    const running = answering()
    expect([running.on({ type: 'drain' }), running.status]).toEqual([[], 'answering'])
  })

  test('[T17] handing over stops the agent and gives back without an end', () => {
    for (const running of [asking(), answering()]) {
      expect([running.on({ type: 'hand-over' }), running.status]).toEqual([[CANCEL, { type: 'release', claim }], 'released'])
    }
    const ending = answering()
    ending.on({ type: 'agent-finished' })
    expect([ending.on({ type: 'hand-over' }), ending.on({ type: 'written' }), ending.status]).toEqual([[], [], 'ended'])
  })
})
