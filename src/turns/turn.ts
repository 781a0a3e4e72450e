/**
 * One claimed turn: decides what is appended, when the agent is asked, and how the turn ends. Pure.
 *
 * States:
 * - `opening`   the log is read to see how the turn stands. Left for `starting`, or `ending` when there is nothing to ask.
 * - `telling`   the agent is known to be away, and other help for the person is being stored. Left for `waiting`, or given back.
 * - `waiting`   the question is kept until it may be put to the agent.
 * - `starting`  `turn-started` is being stored. Nobody is asked before it is durable.
 * - `asking`    the agent has the question and has said nothing yet.
 * - `answering` text has come; it is gathered and stored, one write at a time.
 * - `ending`    the outcome is decided; what is pending and `turn-ended` are being stored, in one write where they fit.
 * - `done`      final: `ended`; `fenced` (somebody else's now); `released` (given back unended); `broken` (the log's rules do not hold).
 *
 * In every state but `done` a write may be under way or its outcome unknown. Then the log is read before anything else is
 * written: a write is all or nothing, so the log says which it was, and no part is ever stored twice.
 * Agent events count in `asking` and `answering` only. `done` ignores everything.
 */
import type { NoticeBody, NoticeReason, TurnBody, TurnEndReason } from '../conversation/entry.ts'
import { TURN_ATTEMPTS_MAX } from '../conversation/limits.ts'
import type { Claim } from '../conversation-log/conversation-log.ts'
import type { AgentErrorKind } from '../agent/agent-error.ts'
import { backoffMs } from '../resilience/backoff.ts'
import { addText, EMPTY_ANSWER, finishText, isFlushDue, nextParts, partsStored, storedAnswer } from './answer-text.ts'
import { askRenewal, doubted, heldSince, leaseAt, leaseDeadline, renewalFailed, renewed } from './lease.ts'
import { awayReason, mayAsk } from './agent-room.ts'
import type { TurnQuestion, TurnView } from './turn-log.ts'
import type { End, Errand, LiveTurn, Owned, Store, Turn, TurnContext, TurnEffect, TurnEvent, TurnStep } from './turn-state.ts'

/** A question that waits is looked at again no sooner than this. */
const EXPIRY_LOOK_MS = 1_000
const NONE: readonly TurnEffect[] = []
const IDLE: Store = { status: 'idle', failures: 0 }

/** A turn that was claimed for `errand` at `since` (monotonic, taken before the claim was asked for). */
export function openTurn(claim: Claim, since: number, ctx: TurnContext, errand: Errand = 'answer'): TurnStep {
  const lease = heldSince(since, ctx.settings.leaseMs)
  const store: Store = { status: 'checking', fence: claim.fence, bodies: [], failures: 0 }
  return pump({ status: 'opening', claim, lease, store, errand, isStopping: false }, [{ type: 'read' }], ctx)
}

/** The turn after `event`, and what is to be done about it. Total; the same turn when the event means nothing. */
export function step(turn: Turn, event: TurnEvent, ctx: TurnContext): TurnStep {
  if (turn.status === 'done') return [turn, NONE]
  const [next, effects] = react(turn, event, ctx)
  return next.status === 'done' ? [next, effects] : pump(next, effects, ctx)
}

/** When the turn next needs a `tick`, monotonic; `undefined` when only an event can move it. */
export function nextDeadline(turn: Turn): number | undefined {
  if (turn.status === 'done') return undefined
  const times = [leaseDeadline(turn.lease), turn.store.status === 'unsure' ? turn.store.checkAt : undefined, ...phaseDeadlines(turn)]
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}

function phaseDeadlines(turn: LiveTurn): readonly (number | undefined)[] {
  switch (turn.status) {
    case 'opening':
    case 'telling':
    case 'starting':
    case 'ending':
      return []
    case 'waiting':
      return [turn.expiresBy]
    case 'asking':
      return [turn.firstTextBy, turn.deadlineAt]
    case 'answering':
      return [turn.idleBy, turn.deadlineAt, canWrite(turn) ? turn.answer.flushAt : undefined]
  }
}

function react(turn: LiveTurn, event: TurnEvent, ctx: TurnContext): TurnStep {
  switch (event.type) {
    case 'tick':
      return onTick(turn, ctx)
    case 'read':
      return turn.store.status === 'checking' ? onRead(turn, turn.store, event.view, ctx) : [turn, NONE]
    case 'read-failed':
      return turn.store.status === 'checking' ? onStoreFailed(turn, turn.store, event.isRetryable, ctx) : [turn, NONE]
    case 'written':
      return turn.store.status === 'writing' ? onWritten(turn, turn.store.bodies, ctx) : [turn, NONE]
    case 'fenced':
      return turn.store.status === 'writing' ? onFenced(turn, turn.store) : [turn, NONE]
    case 'write-failed':
      return turn.store.status === 'writing' ? onStoreFailed(turn, turn.store, event.isRetryable, ctx) : [turn, NONE]
    case 'renewed':
      return isRenewing(turn, event.fence) ? onRenewed(turn, event.isHeld, ctx) : [turn, NONE]
    case 'renew-failed':
      if (!isRenewing(turn, event.fence)) return [turn, NONE]
      if (!event.isRetryable) return abandon(turn, 'broken')
      return [{ ...turn, lease: renewalFailed(turn.lease, { ...ctx, backoff: ctx.settings.storeBackoff }) }, NONE]
    case 'reclaimed':
      return onReclaimed(turn, event, ctx)
    case 'gone':
      return abandon(turn, 'fenced')
    case 'agent-text':
      return isAsked(turn) ? onText(turn, event, ctx) : [turn, NONE]
    case 'agent-finished':
      return isAsked(turn) ? onFinished(turn, ctx) : [turn, NONE]
    case 'agent-cut-short':
      return isAsked(turn) ? conclude(turn, brokenOff(turn, event.reason), ctx) : [turn, NONE]
    case 'agent-failed':
      return isAsked(turn) ? onAgentFailed(turn, event.kind, ctx) : [turn, NONE]
    case 'agent-stopped':
      return isAsked(turn) ? conclude(turn, brokenOff(turn, 'agent-broke-off'), ctx) : [turn, NONE]
    case 'stop-requested':
      return onStop(turn, ctx)
    case 'agent-changed':
      return turn.status === 'waiting' ? onAgentChanged(turn, ctx) : [turn, NONE]
    case 'drain':
      return turn.status === 'opening' || turn.status === 'telling' || turn.status === 'waiting' ? release(turn) : [turn, NONE]
    case 'hand-over':
      // An outcome that is decided is worth the one write that it still needs.
      return turn.status === 'ending' ? [turn, NONE] : release(turn)
  }
}

// ── the log ──────────────────────────────────────────────────────────────────

/** Writes what is ready, reads what is unsure, renews what is due. */
function pump(turn: LiveTurn, effects: readonly TurnEffect[], ctx: TurnContext): TurnStep {
  const added: TurnEffect[] = []
  let next = turn
  const lease = leaseAt(next.lease, ctx.now)
  if (lease !== next.lease) next = { ...next, lease }
  const { store } = next
  if (store.status === 'unsure' && store.checkAt <= ctx.now) {
    next = { ...next, store: { status: 'checking', fence: store.fence, bodies: store.bodies, failures: store.failures } }
    added.push({ type: 'read' })
  }
  const bodies = canWrite(next) ? bodiesToWrite(next, ctx) : []
  if (bodies.length > 0) {
    next = { ...next, store: { status: 'writing', fence: next.claim.fence, bodies, failures: store.failures } }
    added.push({ type: 'write', claim: next.claim, bodies })
  }
  const asked = askRenewal(next.lease, ctx.now)
  if (asked !== next.lease) {
    next = { ...next, lease: asked }
    added.push({ type: 'renew', claim: next.claim })
  }
  return [next, added.length > 0 ? [...effects, ...added] : effects]
}

const canWrite = (turn: LiveTurn): boolean => turn.store.status === 'idle' && turn.lease.status === 'held'

function bodiesToWrite(turn: LiveTurn, ctx: TurnContext): readonly TurnBody[] {
  const { turnId, fence } = turn.claim
  switch (turn.status) {
    case 'opening':
    case 'waiting':
    case 'asking':
      return []
    case 'telling':
      return [notice(turn.claim, turn.view.question, turn.reason, ctx.fallbackText(turn.view.question.text, 'waiting'))]
    case 'starting': {
      const { attempt, supersedes } = turn
      const started: TurnBody = { kind: 'turn-started', turnId, attempt, fence }
      return supersedes ? [{ kind: 'turn-superseded', turnId, attempt: attempt - 1 }, started] : [started]
    }
    case 'answering':
      return isFlushDue(turn.answer, ctx.now) ? nextParts(turn.answer, turnId, turn.attempt) : []
    case 'ending': {
      const { answer, attempt, end, help } = turn
      const parts = nextParts(answer, turnId, attempt)
      if (parts.length < answer.pending.length) return parts
      const { text, stored } = answer
      const counts = { parts: stored + parts.length, chars: text.length, sha256: ctx.digest(text) }
      return [...parts, { kind: 'turn-ended', turnId, attempt, ...end, ...counts }, ...(help === undefined ? [] : [help])]
    }
  }
}

const notice = ({ turnId }: Claim, { messageId }: TurnQuestion, reason: NoticeReason, text: string): NoticeBody => ({
  kind: 'notice',
  topic: 'fallback',
  turnId,
  inReplyTo: messageId,
  reason,
  text,
})

const partsOf = (bodies: readonly TurnBody[]): number => bodies.filter((body) => body.kind === 'answer-part').length
const endsTurn = (bodies: readonly TurnBody[]): boolean => bodies.some((body) => body.kind === 'turn-ended')
/** Pending pieces that a write of unknown outcome has; they must go out again as they are, or not at all. */
const frozenIn = ({ store }: Owned): number => (store.status === 'idle' ? 0 : partsOf(store.bodies))

/** A write is durable: the turn goes on from there. */
function onWritten(turn: LiveTurn, bodies: readonly TurnBody[], ctx: TurnContext): TurnStep {
  switch (turn.status) {
    case 'opening':
    case 'waiting':
      return [turn, NONE]
    case 'telling':
      return onTold({ ...turn, store: IDLE }, ctx)
    case 'starting':
      return onStarted({ ...turn, store: IDLE }, ctx)
    case 'asking':
    case 'answering':
      return [{ ...turn, store: IDLE, answer: partsStored(turn.answer, partsOf(bodies)) }, NONE]
    case 'ending':
      if (endsTurn(bodies)) return [{ status: 'done', how: 'ended' }, endFacts(turn)]
      return [{ ...turn, store: IDLE, answer: partsStored(turn.answer, partsOf(bodies)) }, NONE]
  }
}

function endFacts({ end, help }: LiveTurn & { readonly status: 'ending' }): readonly TurnEffect[] {
  const ended: TurnEffect = { type: 'report', fact: { type: 'ended', ...end } }
  return help === undefined ? [ended] : [{ type: 'report', fact: { type: 'told', reason: help.reason, doesWait: false } }, ended]
}

function onTold(turn: LiveTurn & { readonly status: 'telling' }, ctx: TurnContext): TurnStep {
  const { view, reason } = turn
  const [next, effects] = decide(turn, { ...view, question: { ...view.question, isTold: true } }, ctx)
  return [next, [{ type: 'report', fact: { type: 'told', reason, doesWait: true } }, ...effects]]
}

function onStarted(turn: LiveTurn & { readonly status: 'starting' }, ctx: TurnContext): TurnStep {
  const { claim, lease, store, attempt, question } = turn
  const started: TurnEffect = { type: 'report', fact: { type: 'started', attempt } }
  const owned = { claim, lease, store, attempt, answer: EMPTY_ANSWER }
  if (turn.isStopping) return [{ ...owned, status: 'ending', end: STOPPED, help: undefined }, [started]]
  const { deadlineMs, firstTextTimeoutMs } = ctx.settings
  const firstTextBy = ctx.now + firstTextTimeoutMs
  return [
    { ...owned, question, status: 'asking', firstTextBy, deadlineAt: ctx.now + deadlineMs },
    [started, { type: 'ask', attempt, deadlineMs }],
  ]
}

/** The log has been read: either to see how the turn stands, or to learn what became of a write. */
function onRead(turn: LiveTurn, store: Store & { readonly status: 'checking' }, view: TurnView | undefined, ctx: TurnContext): TurnStep {
  if (view === undefined) return abandon(turn, 'fenced')
  if (turn.status === 'opening' && store.fence === OUTDATED) return readAgain(turn)
  if (turn.status === 'opening' || turn.status === 'telling') return decide(turn, view, ctx)
  if (turn.status === 'waiting') return decide({ ...turn, isStopping: false }, view, ctx)
  if (!view.isOpen) return endsTurn(store.bodies) ? onWritten(turn, store.bodies, ctx) : abandon(turn, 'fenced')
  if (turn.status === 'starting') {
    if (view.attempt === turn.attempt && view.fence === store.fence) return onWritten(turn, store.bodies, ctx)
    return decide(turn, view, ctx)
  }
  if (view.attempt !== turn.attempt) return abandon(turn, 'fenced')
  const { stored } = turn.answer
  const written = partsOf(store.bodies)
  // An end is stored with its parts or not at all, so an open turn has none of a write that would have ended it.
  if (view.parts === stored) return [{ ...turn, store: { status: 'idle', failures: store.failures } }, NONE]
  if (view.parts === stored + written && !endsTurn(store.bodies)) return onWritten(turn, store.bodies, ctx)
  // Neither before nor after our write: this is not the log we wrote.
  return abandon(turn, 'fenced')
}

const readAgain = (turn: LiveTurn & { readonly status: 'opening' }): TurnStep => [
  { ...turn, store: { status: 'checking', fence: turn.claim.fence, bodies: [], failures: turn.store.failures } },
  [{ type: 'read' }],
]

/** What to do with a turn that this owner has not started, or has to start again. */
function decide(turn: Owned & { readonly isStopping: boolean; readonly errand?: Errand }, view: TurnView, ctx: TurnContext): TurnStep {
  if (!view.isOpen) return LOST
  const { claim, lease, errand = 'answer' } = turn
  const { question } = view
  const isStopping = turn.isStopping || view.isStopping
  const owned: Owned = { claim, lease, store: { status: 'idle', failures: turn.store.failures } }
  const end = endInstead(view, isStopping, ctx.wallNow - claim.askedAt >= ctx.settings.questionExpiresMs)
  if (end !== undefined) {
    const answer = storedAnswer(view.text, view.parts)
    return [{ ...owned, status: 'ending', attempt: view.attempt, answer, end, help: helpAtEnd(claim, question, end, ctx) }, NONE]
  }
  const room = ctx.room()
  const reason = awayReason(room)
  if (reason !== undefined && !question.isTold) return [{ ...owned, status: 'telling', errand, isStopping, view, reason }, NONE]
  if (errand === 'tell') return release({ ...owned, status: 'opening', errand, isStopping })
  if (!mayAsk(room)) return [wait(owned, view, ctx), NONE]
  const supersedes = view.text !== '' && !view.isSuperseded
  return [{ ...owned, status: 'starting', question, isStopping, attempt: view.attempt + 1, supersedes }, NONE]
}

/** Whoever gets no answer gets other help instead, unless they have it. */
function helpAtEnd(claim: Claim, question: TurnQuestion, { outcome, reason }: End, ctx: TurnContext): NoticeBody | undefined {
  if (outcome !== 'failed' || reason === undefined || question.isTold) return undefined
  return notice(claim, question, reason, ctx.fallbackText(question.text, 'failed'))
}

/** A question that waits may be put to the agent, or its person has to be told that this may take a while. */
function onAgentChanged(turn: LiveTurn & { readonly status: 'waiting' }, ctx: TurnContext): TurnStep {
  const room = ctx.room()
  const isNews = mayAsk(room) || (awayReason(room) !== undefined && !turn.view.question.isTold)
  return isNews ? decide({ ...turn, isStopping: false }, turn.view, ctx) : [turn, NONE]
}

/** Kept until the agent is back, or the question is too old. */
function wait(owned: Owned, view: TurnView, ctx: TurnContext): Turn {
  const { claim, lease, store } = owned
  const leftMs = ctx.settings.questionExpiresMs - (ctx.wallNow - claim.askedAt)
  // The wall clock may have been set back: then the question waits on, and is looked at again.
  return { status: 'waiting', claim, lease, store, view, expiresBy: ctx.now + Math.max(leftMs, EXPIRY_LOOK_MS) }
}

function endInstead(view: TurnView, isStopping: boolean, isExpired: boolean): End | undefined {
  if (isStopping) return STOPPED
  if (isExpired) return { outcome: 'expired', reason: 'expired' }
  if (view.attempt >= TURN_ATTEMPTS_MAX) return { outcome: 'failed', reason: 'too-many-attempts' }
  return undefined
}

function onStoreFailed(
  turn: LiveTurn,
  store: Store & { readonly status: 'writing' | 'checking' },
  isRetryable: boolean,
  ctx: TurnContext,
): TurnStep {
  if (!isRetryable) return abandon(turn, 'broken')
  const { fence, bodies } = store
  const failures = store.failures + 1
  const checkAt = ctx.now + backoffMs(ctx.settings.storeBackoff, failures, ctx.chance)
  return [{ ...turn, store: { status: 'unsure', fence, bodies, failures, checkAt } }, NONE]
}

function onFenced(turn: LiveTurn, store: Store & { readonly status: 'writing' }): TurnStep {
  if (store.fence === turn.claim.fence) return abandon(turn, 'fenced')
  // Refused under a claim that this very process has since replaced.
  return [{ ...turn, store: { status: 'checking', fence: store.fence, bodies: store.bodies, failures: 0 } }, [{ type: 'read' }]]
}

const isRenewing = ({ claim, lease }: Owned, fence: number): boolean => fence === claim.fence && lease.renewal.status === 'asked'

function onRenewed(turn: LiveTurn, isHeld: boolean, ctx: TurnContext): TurnStep {
  if (isHeld) return [{ ...turn, lease: renewed(turn.lease, ctx.settings.leaseMs) }, NONE]
  // A turn that our own write has just ended is not held any more either: the write's own result says which.
  if (turn.store.status !== 'idle') return [{ ...turn, lease: doubted(ctx.now, ctx.settings.leaseMs) }, NONE]
  return abandon(turn, 'fenced')
}

function onReclaimed(turn: LiveTurn, event: TurnEvent & { readonly type: 'reclaimed' }, ctx: TurnContext): TurnStep {
  const { claim } = event
  const lease = heldSince(event.since, ctx.settings.leaseMs)
  // What was said before may have changed since it was read. And a store that does not know how far it had counted was rolled
  // back: whatever this owner has begun is not in its log.
  const isIdle = turn.status === 'waiting' || ((turn.status === 'starting' || turn.status === 'telling') && turn.store.status === 'idle')
  if (turn.status === 'opening' || isIdle || claim.fence <= turn.claim.fence) return lookAgain(turn, claim, lease)
  // The store answers again: there is no reason to wait any longer.
  const store: Store = turn.store.status === 'unsure' ? { ...turn.store, checkAt: ctx.now } : turn.store
  return [{ ...turn, claim, lease, store }, NONE]
}

/** Of a read that was asked for under an earlier claim: what it finds does not count. */
const OUTDATED = -1

/** Begins with the log again. */
function lookAgain(turn: LiveTurn, claim: Claim, lease: Owned['lease']): TurnStep {
  const isReading = turn.store.status === 'checking'
  const store: Store = { status: 'checking', fence: isReading ? OUTDATED : claim.fence, bodies: [], failures: turn.store.failures }
  const isStopping = 'isStopping' in turn && turn.isStopping
  const errand = 'errand' in turn ? turn.errand : 'answer'
  const read: readonly TurnEffect[] = isReading ? NONE : [{ type: 'read' }]
  return [{ status: 'opening', errand, claim, lease, store, isStopping }, [...cancelled(turn), ...read]]
}

// ── the agent ────────────────────────────────────────────────────────────────

type AskedTurn = LiveTurn & { readonly status: 'asking' | 'answering' }
const isAsked = (turn: LiveTurn): turn is AskedTurn => turn.status === 'asking' || turn.status === 'answering'

const STOPPED: End = { outcome: 'stopped', reason: 'asked-to-stop' }

const FAILURE_REASONS: Readonly<Record<AgentErrorKind, TurnEndReason>> = {
  unreachable: 'agent-unreachable',
  busy: 'agent-busy',
  error: 'agent-error',
  protocol: 'agent-protocol',
  'broke-off': 'agent-broke-off',
}

/** Before its first text an answer fails; later it is cut off, and what was said stays. */
const brokenOff = (turn: AskedTurn, reason: TurnEndReason): End => ({
  outcome: turn.status === 'asking' ? 'failed' : 'interrupted',
  reason,
})

/**
 * A question that could not be put to the agent, because it is away or may be, or because it has too much to do, is kept and asked
 * again; any other failure is the turn's end.
 */
function onAgentFailed(turn: AskedTurn, kind: AgentErrorKind, ctx: TurnContext): TurnStep {
  const isKept = kind === 'busy' || (kind === 'unreachable' && ctx.room() !== 'free')
  if (turn.status === 'answering' || !isKept || turn.attempt >= TURN_ATTEMPTS_MAX) {
    return conclude(turn, brokenOff(turn, FAILURE_REASONS[kind]), ctx)
  }
  const { claim, attempt, question } = turn
  const view: TurnView = { isOpen: true, isStopping: false, attempt, fence: claim.fence, parts: 0, text: '', isSuperseded: false, question }
  return decide({ ...turn, isStopping: false }, view, ctx)
}

function onText(turn: AskedTurn, event: TurnEvent & { readonly type: 'agent-text' }, ctx: TurnContext): TurnStep {
  const { text, persona } = event
  if (text === '') return [turn, NONE]
  const { answer, isTooLong } = addText(turn.answer, { text, persona, now: ctx.now, frozen: frozenIn(turn) })
  const { claim, lease, store, attempt, question, deadlineAt } = turn
  const first: readonly TurnEffect[] = turn.status === 'asking' ? [{ type: 'report', fact: { type: 'first-text' } }] : NONE
  const idleBy = ctx.now + ctx.settings.idleTimeoutMs
  const answering: AskedTurn = { status: 'answering', claim, lease, store, question, attempt, answer, idleBy, deadlineAt }
  if (!isTooLong) return [answering, first]
  const [ended, effects] = cutOff(answering, { outcome: 'interrupted', reason: 'too-long' }, ctx)
  return [ended, [...first, ...effects]]
}

function onFinished(turn: AskedTurn, ctx: TurnContext): TurnStep {
  const isEmpty = (turn.answer.text + turn.answer.half).trim() === ''
  return conclude(turn, isEmpty ? { outcome: 'failed', reason: 'empty-answer' } : { outcome: 'complete', reason: undefined }, ctx)
}

function onTick(turn: LiveTurn, ctx: TurnContext): TurnStep {
  if (turn.status === 'waiting') return turn.expiresBy <= ctx.now ? decide({ ...turn, isStopping: false }, turn.view, ctx) : [turn, NONE]
  if (!isAsked(turn)) return [turn, NONE]
  const silentBy = turn.status === 'asking' ? turn.firstTextBy : turn.idleBy
  const due = Math.min(silentBy, turn.deadlineAt)
  if (ctx.now < due) return [turn, NONE]
  if (due === turn.deadlineAt) return cutOff(turn, brokenOff(turn, 'deadline'), ctx)
  return cutOff(turn, brokenOff(turn, turn.status === 'asking' ? 'first-token-timeout' : 'idle-timeout'), ctx)
}

function onStop(turn: LiveTurn, ctx: TurnContext): TurnStep {
  switch (turn.status) {
    case 'opening':
    case 'telling':
    case 'starting':
      return turn.isStopping ? [turn, NONE] : [{ ...turn, isStopping: true }, NONE]
    case 'waiting':
      return decide({ ...turn, isStopping: true }, turn.view, ctx)
    case 'asking':
    case 'answering':
      return cutOff(turn, STOPPED, ctx)
    case 'ending':
      return [turn, NONE]
  }
}

/** The agent has done its part. */
function conclude(turn: AskedTurn, end: End, ctx: TurnContext): TurnStep {
  const { claim, lease, store, attempt, question } = turn
  const answer = finishText(turn.answer, { now: ctx.now, frozen: frozenIn(turn) })
  return [{ status: 'ending', claim, lease, store, attempt, answer, end, help: helpAtEnd(claim, question, end, ctx) }, NONE]
}

/** The agent has not, and is told that it need not. */
function cutOff(turn: AskedTurn, end: End, ctx: TurnContext): TurnStep {
  const [ending] = conclude(turn, end, ctx)
  return [ending, [{ type: 'cancel' }]]
}

// ── leaving ──────────────────────────────────────────────────────────────────

const cancelled = (turn: LiveTurn): readonly TurnEffect[] => (isAsked(turn) ? [{ type: 'cancel' }] : NONE)

/** Somebody else's now; nobody was asked. */
const LOST: TurnStep = [{ status: 'done', how: 'fenced' }, [{ type: 'report', fact: { type: 'fenced' } }]]

/** Writes nothing more. */
function abandon(turn: LiveTurn, how: 'fenced' | 'broken'): TurnStep {
  const facts: readonly TurnEffect[] = how === 'fenced' ? [{ type: 'report', fact: { type: 'fenced' } }] : NONE
  return [{ status: 'done', how }, [...cancelled(turn), ...facts]]
}

const release = (turn: LiveTurn): TurnStep => [
  { status: 'done', how: 'released' },
  [...cancelled(turn), { type: 'release', claim: turn.claim }],
]
