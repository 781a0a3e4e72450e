/**
 * Words that people use for the same thing in questions about this service. A word of a group finds the others, for less.
 * Small on purpose: what is particular to a team's pages belongs into the `keywords` of the page.
 */
import { stemOf } from './words.ts'

const GROUPS: readonly string[] = [
  'assistant agent ai bot chatbot robot llm model',
  'delete erase remove wipe clear',
  'keep store save retain',
  'copy download export print transcript',
  'privacy private personal confidential data information',
  'stop cancel halt abort interrupt',
  'again repeat retry resend',
  'wrong incorrect mistake inaccurate false error',
  'accurate reliable trust correct true',
  'down unavailable outage broken offline away',
  'slow long wait delay',
  'connection network internet wifi signal offline link',
  'device phone mobile tablet laptop computer',
  'tab window browser',
  'javascript js script',
  'conversation chat history',
  'question message query ask',
  'answer reply response',
  'screenreader reader keyboard accessible accessibility assistive',
  'blind disabled impaired accessible accessibility',
  'expire close end time',
  'setting configure configuration environment variable option',
  'store database sqlite disk',
  'start install launch deploy run',
  'send submit post',
  'click press select tap',
  'die crash kill end',
  'incomplete half partial unfinished',
  'person people human someone anyone staff',
  'lose disappear vanish missing',
  'duplicate twice double',
  'team developer engineer',
  'simulator simulate fake test fault',
]

/** Stems that mean about the same as `stem`. */
export const synonymsOf = (stem: string): readonly string[] => SYNONYMS.get(stem) ?? []

const SYNONYMS = joinGroups()

function joinGroups(): ReadonlyMap<string, readonly string[]> {
  const joined = new Map<string, readonly string[]>()
  for (const group of GROUPS) {
    const stems = group.split(' ').map(stemOf)
    for (const stem of stems) joined.set(stem, [...new Set([...(joined.get(stem) ?? []), ...stems.filter((other) => other !== stem)])])
  }
  return joined
}
