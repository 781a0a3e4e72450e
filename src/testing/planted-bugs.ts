/**
 * Bugs put in on purpose. A checker that does not find them proves nothing about those it was not shown.
 *
 * Each changes one decision of one part, as a mistake in that part would; everything else stays as it is.
 */
import type { ClientEffect, ClientEvent, ClientLink } from '../browser/client-link-state.ts'
import { fit } from '../conversation/conversation.ts'
import type { LinkEffect } from '../gateway/server-link-state.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { ServerFrame } from '../protocol/protocol.ts'
import type { TurnEffect } from '../turns/turn-state.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface PlantedBug {
  readonly turn?: (effects: readonly TurnEffect[], random: SeededRandom) => readonly TurnEffect[]
  readonly link?: (effects: readonly LinkEffect[], random: SeededRandom) => readonly LinkEffect[]
  readonly client?: (client: ClientLink, effects: readonly ClientEffect[]) => readonly [ClientLink, readonly ClientEffect[]]
  readonly garble?: (client: ClientLink, event: ClientEvent) => ClientEvent
  /** The store answers before it has committed, and a crash takes back what it answered. */
  readonly acknowledgesEarly?: true
  /** A question sent again is stored again. */
  readonly storesTwice?: true
}

export const PLANTED_BUGS = {
  'acknowledged before it is durable': { acknowledgesEarly: true },
  'a repeated question is stored again': { storesTwice: true },
  'accepted is said before the log was asked': {
    link: (effects) =>
      effects.flatMap((effect): readonly LinkEffect[] => {
        if (effect.type !== 'ask' || effect.question.number === undefined) return [effect]
        const { messageId, number } = effect.question
        return [{ type: 'send', frames: [{ type: 'accepted', messageId, number, seq: 1, duplicate: false }] }, effect]
      }),
  },
  'the outbox is emptied on send': {
    client: (client, effects) => [{ ...client, questions: client.questions.filter(({ state }) => state.status !== 'sending') }, effects],
  },
  'the device forgets what is sent': {
    client: (client, effects) => {
      const sent = effects.flatMap((effect) => (effect.type === 'send' ? effect.frames : []))
      const messageIds = sent.flatMap((frame) => (frame.type === 'send' ? [frame.messageId] : []))
      return [client, messageIds.length === 0 ? effects : [...effects, { type: 'store', change: { type: 'forget', messageIds } }]]
    },
  },
  'kept is said before it is written': {
    client: (client, effects) => [
      { ...client, questions: client.questions.map((one) => (one.state.status === 'keeping' ? { ...one, isKept: true } : one)) },
      effects,
    ],
  },
  'what the device keeps is sent the newest first': {
    garble: (_client, event) => (event.type === 'stored' ? { ...event, rows: event.rows.toReversed() } : event),
  },
  'entries are applied over a hole': {
    link: (effects, random) =>
      effects.map((effect) =>
        effect.type === 'deliver' && effect.entries.length > 1 && random.happens(0.5)
          ? { ...effect, entries: effect.entries.slice(1) }
          : effect,
      ),
    garble: (client, event) => {
      if (event.type !== 'frames') return event
      let { head } = client.view.conversation
      const frames = event.frames.map((parsed): Parsed<ServerFrame> => {
        if (!parsed.ok || parsed.frame.type !== 'entry' || fit(head, parsed.frame.entry) !== 'hole') return parsed
        const entry = { ...parsed.frame.entry, seq: (head?.seq ?? 0) + 1, prev: head?.id }
        head = entry
        return { ok: true, frame: { type: 'entry', entry } }
      })
      return { ...event, frames }
    },
  },
  'a turn never ends': {
    turn: (effects) => effects.filter((effect) => effect.type !== 'write' || effect.bodies.every(({ kind }) => kind !== 'turn-ended')),
  },
  'the agent is asked twice': {
    turn: (effects, random) => effects.flatMap((effect) => (effect.type === 'ask' && random.happens(0.3) ? [effect, effect] : [effect])),
  },
  'the digest is of another text': {
    turn: (effects) =>
      effects.map((effect) =>
        effect.type !== 'write'
          ? effect
          : { ...effect, bodies: effect.bodies.map((body) => (body.kind === 'turn-ended' ? { ...body, sha256: '0'.repeat(64) } : body)) },
      ),
  },
  'a part is lost on its way to the log': {
    turn: (effects) =>
      effects.map((effect) =>
        effect.type !== 'write'
          ? effect
          : {
              ...effect,
              bodies: effect.bodies.map((body) =>
                body.kind === 'answer-part' ? { ...body, text: body.text.slice(0, -1) || body.text } : body,
              ),
            },
      ),
  },
  'nobody looks at the log again': {
    link: (effects, random) => effects.filter((effect) => effect.type !== 'read' || random.happens(0.5)),
  },
} as const satisfies Readonly<Record<string, PlantedBug>>
