/** What the recorder outside the product writes down, line by line, while a run lasts. Nothing of it comes from the product's protocol. */
import { appendFileSync } from 'node:fs'
import type { ShownItem, StoredEntry } from '../../src/testing/history.ts'

interface OfPage {
  readonly session: string
  readonly page: string
}

/** A message of a page of HTML, with its words as a person reads them. */
export interface ReadItem {
  readonly kind: string
  /** The `id` of the element. */
  readonly key: string
  readonly words: string
}

export type Fact =
  | (OfPage & { readonly type: 'loaded' | 'forked' })
  /** Somebody asked: from here on the question must come to be in the log. `sent` counts these. */
  | (OfPage & { readonly type: 'typed'; readonly id: string; readonly text: string })
  /** The product said that it has the question. */
  | (OfPage & { readonly type: 'acknowledged'; readonly id: string })
  /** The product said that it will never have the question. */
  | (OfPage & { readonly type: 'refused'; readonly id: string; readonly code: string })
  /** What a page that is told entries shows now: its last items, at this place in the log. */
  | (OfPage & { readonly type: 'view'; readonly seq: number; readonly id: string | undefined; readonly items: readonly ShownItem[] })
  /** What a page of HTML shows. */
  | (OfPage & { readonly type: 'read'; readonly items: readonly ReadItem[] })
  /** The agent was asked, in its own `call`. */
  | {
      readonly type: 'asked'
      readonly session: string
      readonly call: number
      readonly turnId: string
      readonly attempt: number
      readonly text: string
      readonly before: readonly string[]
    }
  /** All that the agent said in a call, and whether it came to its end. */
  | {
      readonly type: 'said'
      readonly session: string
      readonly call: number
      readonly turnId: string
      readonly text: string
      readonly isWhole: boolean
    }
  | { readonly type: 'fault'; readonly what: string }
  /** An entry of the log as it is read, from the first on, when everything is healed and quiet. */
  | { readonly type: 'entry'; readonly session: string; readonly entry: StoredEntry }

export interface Recording {
  readonly facts: readonly Fact[]
  write(fact: Fact): void
}

/** Keeps everything, and appends each line to `file` as it comes, so that a run that is cut off leaves its history too. */
export function createRecording(file: string, now: () => number): Recording {
  const facts: Fact[] = []
  return {
    facts,
    write(fact) {
      facts.push(fact)
      appendFileSync(file, `${JSON.stringify({ atMs: Math.round(now()), ...fact })}\n`)
    },
  }
}
