import { createHmac } from 'node:crypto'
import type { Trace } from '../conversation/trace.ts'
import type { TurnId } from '../conversation/ids.ts'

/** The trace of a question: the same in every process, before and after a crash; each attempt at it is a step of its own. */
export type TurnTrace = (turn: TurnId, attempt?: number) => Trace

/** Derived, so that whoever takes a question over goes on in its trace. Without the secret nobody can get from one to the other. */
export function createTurnTrace(secret: string): TurnTrace {
  const derive = (what: string, hexDigits: number): string =>
    createHmac('sha256', secret).update(`trace\n${what}`).digest('hex').slice(0, hexDigits)
  return (turn, attempt = 0) => ({ traceId: derive(turn, 32), spanId: derive(`${turn}\n${attempt}`, 16) })
}
