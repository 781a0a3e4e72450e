import type { SessionId, TurnId } from '../conversation/ids.ts'
import type { StopResult } from '../conversation-log/conversation-log.ts'
import type { GatewayOptions } from './gateway-context.ts'

/**
 * Stops a turn for the person who owns its session, and reports what that did.
 *
 * @throws LogError when the store fails
 */
export async function stopTurn(
  { log, events, clock }: Pick<GatewayOptions, 'log' | 'events' | 'clock'>,
  session: SessionId,
  turn: TurnId,
): Promise<StopResult> {
  const result = await log.stop(session, turn)
  if (result.type === 'requested' || result.type === 'stopped') events.stopRequested({ session, turn })
  if (result.type === 'stopped') {
    // Nobody drives it, so nobody else says that it has ended.
    events.turnEnded({
      session,
      turn,
      outcome: 'stopped',
      reason: 'asked-to-stop',
      attempt: 0,
      answeredMs: undefined,
      tookMs: Math.max(0, clock.now() - result.askedAt),
    })
  }
  return result
}
