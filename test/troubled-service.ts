/** The real server and the real simulator, told to fail: what reached the agent, what the breaker did, what became of questions. */
import { expect } from 'vitest'
import * as v from 'valibot'
import type { Message } from './api-client.ts'
import { onAction, onFields } from './processes.ts'
import type { RunningServer, RunningSimulator } from './server-process.ts'

const statsSchema = v.object({
  connections: v.number(),
  refusals: v.number(),
  questions: v.number(),
  finished: v.number(),
  cancels: v.number(),
  pings: v.number(),
  turns: v.record(v.string(), v.object({ questions: v.number(), attempt: v.number() })),
})
const detailsSchema = v.object({
  status: v.string(),
  degradation: v.string(),
  services: v.object({ sqlite: v.object({ status: v.string() }), websocket: v.unknown(), aiAgent: v.object({ status: v.string() }) }),
  circuitBreakers: v.tuple([v.object({ name: v.string(), state: v.string(), retryAfterMs: v.number() })]),
})

/** An agent that answers as fast as it can. */
export const SWIFT = ['--first-ms', '0', '--chunk-ms', '0']

const controlOf = ({ url }: RunningSimulator): string => url.replace(/^ws:/, 'http:').replace(/\/$/, '')

/** From now on the agent does this, and counts from 0. */
export async function failWith(simulator: RunningSimulator, ...script: readonly object[]): Promise<void> {
  const reset = await fetch(`${controlOf(simulator)}/control/reset`, { method: 'POST' })
  const body = JSON.stringify({ script })
  const set = await fetch(`${controlOf(simulator)}/control/faults`, { method: 'PUT', body })
  expect([reset.status, set.status]).toEqual([200, 200])
}

export const statsOf = async (simulator: RunningSimulator): Promise<v.InferOutput<typeof statsSchema>> =>
  v.parse(statsSchema, await (await fetch(`${controlOf(simulator)}/control/stats`)).json())

export const detailsOf = async ({ url }: RunningServer): Promise<v.InferOutput<typeof detailsSchema>> =>
  v.parse(detailsSchema, await (await fetch(`${url}/health/detailed`)).json())

/** How many lines of this action there are so far. */
export const lines = (server: RunningServer, action: string): number =>
  server.lines.filter((line) => onAction(action)(line) !== undefined).length

/** A field of every line of this action, in their order. */
export const fieldsOf = (server: RunningServer, action: string, field: string): readonly string[] =>
  server.lines.flatMap((line) => onAction(action, field)(line) ?? [])

/** Resolves when there are `count` lines of this action. */
export function untilLines(server: RunningServer, action: string, count: number): Promise<true> {
  let seen = 0
  return server.line((line) => {
    if (onAction(action)(line) !== undefined) seen += 1
    return seen >= count || undefined
  })
}

/** Resolves when the service says that it is `full` again, after it said something else. */
export const untilFull = (server: RunningServer): Promise<true> =>
  server.line(onFields({ 'event.action': 'degradation.changed', 'chat.degradation.to': 'full' }))

/** What the agent's breaker did, in its order. */
export const movesOf = (server: RunningServer): readonly string[] => fieldsOf(server, 'breaker.changed', 'chat.breaker.to')

/** What became of the question number `count`, once it has come to an end. */
export const endOf =
  (count: number) =>
  (messages: readonly Message[]): string | undefined => {
    const asked = messages.filter(({ role }) => role === 'user')[count - 1]
    if (asked?.status === 'failed') return 'failed'
    const answer = messages.find(({ role, metadata }) => role === 'assistant' && metadata.inReplyTo === asked?.id)
    return answer === undefined || answer.status === 'streaming' ? undefined : answer.status
  }

/** The other help that the question number `count` was given, once it was. */
export const helpFor =
  (count: number) =>
  (messages: readonly Message[]): Message | undefined => {
    const asked = messages.filter(({ role }) => role === 'user')[count - 1]
    return messages.find(({ role, metadata }) => role === 'system' && metadata.inReplyTo === asked?.id)
  }
