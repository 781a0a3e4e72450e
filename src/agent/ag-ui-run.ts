/**
 * One run of an AG-UI agent: whose it is, what of it is the answer, and how it ended. Pure.
 *
 * States:
 * - `waiting`   our run has not begun. Left for `running`, or for `replaying` when the agent tells of an earlier run first.
 * - `replaying` an earlier run of the conversation; what it says is no answer to us.
 * - `running`   our run.
 * - `closed`    our run has ended well. It may still be told that it failed after all.
 *
 * An answer is what the agent says as the assistant, message after message in the order in which they were opened: what belongs to a later
 * one is held until those before it are complete. Tools, steps, state and reasoning are the agent's own business.
 */
import { AGENT_FRAME_BYTES_MAX, AGENT_MESSAGES_OPEN_MAX } from '../conversation/limits.ts'
import { AgentError } from './agent-error.ts'
import type { RunEvent, RunFinished, TextChunk, TokenUsage } from './ag-ui-events.ts'

/** The run that was asked for. */
export interface RunIds {
  readonly threadId: string
  readonly runId: string
}

export type Run =
  | { readonly status: 'waiting'; readonly hasReplayed: boolean }
  | { readonly status: 'replaying'; readonly runId: string }
  | Running
  | { readonly status: 'closed'; readonly usage: TokenUsage }

interface Running {
  readonly status: 'running'
  /** Messages that were opened and not ended, by whoever they are. */
  readonly open: ReadonlyMap<string, Message>
  /** The one of them that chunks go on with. */
  readonly chunked: string | undefined
  /** What the assistant says and has not been said here, in the order of opening; the first is being said. */
  readonly queue: readonly Held[]
  /** The message whose text was said last. */
  readonly last: string | undefined
}

interface Message {
  readonly role: string
  readonly name: string | undefined
}

interface Held {
  readonly id: string
  readonly text: string
  readonly isEnded: boolean
}

export const NOT_BEGUN: Run = { status: 'waiting', hasReplayed: false }

const BETWEEN_MESSAGES = '\n\n'

/**
 * The run after `event`, and the text that it adds to the answer.
 *
 * @throws AgentError `error` when the agent says that it failed, `broke-off` when it stopped, and `protocol` for what no run may do
 */
export function step(run: Run, event: RunEvent, ids: RunIds): readonly [Run, string] {
  if (event.type === 'other') return [run, '']
  if (event.type === 'RUN_ERROR') return onError(run)
  switch (run.status) {
    case 'waiting':
      if (event.type !== 'RUN_STARTED') throw broken('the agent said something before its run began')
      return [started(event, ids), '']
    case 'replaying':
      if (event.type === 'RUN_STARTED') throw broken('the agent began a run inside another')
      return [event.type === 'RUN_FINISHED' ? { status: 'waiting', hasReplayed: true } : run, '']
    case 'running':
      return onRunning(run, event, ids)
    case 'closed':
      // The beginning of another run is none of our business any more.
      if (event.type !== 'RUN_STARTED') throw broken('the agent went on after the end of its run')
      return [run, '']
  }
}

function onError(run: Run): readonly [Run, string] {
  if (run.status === 'replaying') return [{ status: 'waiting', hasReplayed: true }, '']
  // AG-UI does not say whether it may pass; a failure of the model behind the agent often does.
  throw new AgentError('error', 'the agent failed', { isRetryable: true })
}

function started({ threadId, runId }: RunIds, ids: RunIds): Run {
  if (threadId !== ids.threadId) throw broken('the agent told of another conversation')
  return runId === ids.runId
    ? { status: 'running', open: new Map(), chunked: undefined, queue: [], last: undefined }
    : { status: 'replaying', runId }
}

type InRun = Exclude<RunEvent, { readonly type: 'other' | 'RUN_ERROR' }>

function onRunning(run: Running, event: InRun, ids: RunIds): readonly [Run, string] {
  switch (event.type) {
    case 'RUN_STARTED':
      throw broken('the agent began a run inside another')
    case 'RUN_FINISHED':
      return finished(endChunk(run), event, ids)
    case 'TEXT_MESSAGE_START':
      return say(opened(endChunk(run), event.messageId, { role: event.role, name: event.name }))
    case 'TEXT_MESSAGE_CONTENT':
      return say(continued(endChunk(run), event.messageId, event.delta))
    case 'TEXT_MESSAGE_END':
      return say(ended(endChunk(run), event.messageId))
    case 'TEXT_MESSAGE_CHUNK':
      return say(chunk(run, event))
  }
}

function finished(run: Running, { threadId, runId, outcome, usage = [] }: RunFinished, ids: RunIds): readonly [Run, string] {
  if (threadId !== ids.threadId || runId !== ids.runId) throw broken('the agent ended another run than it had begun')
  if (run.open.size > 0) throw broken('the agent ended its run in the middle of a message')
  if (outcome?.type === 'interrupt') {
    throw new AgentError('error', 'the agent waits for something that nobody here can give it', { isRetryable: false })
  }
  if (outcome?.type === 'cancelled') {
    throw new AgentError('broke-off', 'the agent stopped its run before it was complete', { isRetryable: true })
  }
  // An outcome that nobody describes yet counts as success (AG-UI, "Runs and steps").
  const [, text] = say(run)
  return [{ status: 'closed', usage }, text]
}

function opened(run: Running, id: string, message: Message): Running {
  if (run.open.has(id)) throw broken('the agent opened a message twice')
  if (run.open.size >= AGENT_MESSAGES_OPEN_MAX) throw broken('the agent opened more messages than any answer needs')
  const open = new Map(run.open).set(id, message)
  return message.role === 'assistant' ? { ...run, open, queue: [...run.queue, { id, text: '', isEnded: false }] } : { ...run, open }
}

function continued(run: Running, id: string, delta: string): Running {
  const message = run.open.get(id)
  if (message === undefined) throw broken('the agent went on with a message that is not open')
  if (message.role !== 'assistant' || delta === '') return run
  const queue = run.queue.map((held) => (held.id === id && !held.isEnded ? { ...held, text: held.text + delta } : held))
  const heldChars = queue.reduce((sum, { text }) => sum + text.length, 0)
  if (heldChars > AGENT_FRAME_BYTES_MAX) throw broken('the agent said more at once than can be held')
  return { ...run, queue }
}

function ended(run: Running, id: string): Running {
  if (!run.open.has(id)) throw broken('the agent ended a message that is not open')
  const open = new Map(run.open)
  open.delete(id)
  return { ...run, open, queue: run.queue.map((held) => (held.id === id ? { ...held, isEnded: true } : held)) }
}

/** A chunk opens a message, or goes on with the one that the chunk before it opened. */
function chunk(run: Running, { messageId, role, name, delta }: TextChunk): Running {
  const id = messageId ?? run.chunked
  if (id === undefined) throw broken('the agent sent a chunk of no message')
  if (id !== run.chunked) {
    const begun = opened(endChunk(run), id, { role: role ?? 'assistant', name })
    return continued({ ...begun, chunked: id }, id, delta)
  }
  const message = run.open.get(id)
  const isOther = (role !== undefined && role !== message?.role) || (name !== undefined && name !== message?.name)
  if (isOther) throw broken('the agent sent chunks of one message by two speakers')
  return continued(run, id, delta)
}

/** Anything but a chunk ends the message that chunks were going on with. */
const endChunk = (run: Running): Running => (run.chunked === undefined ? run : ended({ ...run, chunked: undefined }, run.chunked))

/** Says what can be said now: the first message as far as it goes, and those after it once it is complete. */
function say(run: Running): readonly [Running, string] {
  let { last } = run
  let text = ''
  const queue = [...run.queue]
  for (let [held] = queue; held !== undefined; [held] = queue) {
    if (held.text !== '') {
      text += (last === undefined || last === held.id ? '' : BETWEEN_MESSAGES) + held.text
      last = held.id
      queue[0] = { ...held, text: '' }
    }
    if (!held.isEnded) break
    queue.shift()
  }
  return [{ ...run, queue, last }, text]
}

const broken = (message: string): AgentError => new AgentError('protocol', message, { isRetryable: false })
