/**
 * Ranks pages for a question: BM25 over weighted fields, with synonyms and slips of the hand. Pure, no dependency.
 *
 * A page that shares too little of what the question is about is not a match: nothing found is said as nothing found, because a
 * page that does not help is worse than a plain "no". How much is shared is measured in how telling each word is, a word that
 * stands on no page at all being among the most telling, and a word in passing counts less than one in a title.
 */
import { QUESTION_TERMS_MAX } from '../conversation/limits.ts'
import { synonymsOf } from './synonyms.ts'
import { isNear, termsOf } from './words.ts'

/** One text of a page, and how much a word in it counts. */
export interface Field {
  readonly text: string
  readonly weight: number
}

/** Something that can be found. */
export interface Searchable {
  readonly fields: readonly Field[]
  /** How likely it is what somebody asks about, beside what they say; 1 is even. */
  readonly likelihood: number
}

export interface Hit {
  /** Place in the list that was indexed. */
  readonly index: number
  /** Above 0; comparable within one search only. */
  readonly score: number
}

export interface SearchIndex {
  /** Best first, at most `limit`; those that score the same stand as they were indexed. */
  search(question: string, limit: number): readonly Hit[]
}

/** How fast more of the same word stops counting, and how much a long field takes away (BM25's k1 and b). */
const SATURATION = 1.2
const LENGTH_SHARE = 0.6
const SYNONYM_WEIGHT = 0.45
const SLIP_WEIGHT = 0.8
/** Share of what the question is about that a page must have. */
const COVERAGE_MIN = 0.45
/** What a word that stands in running text only adds to that share. */
const PASSING_SHARE = 0.7
/** A word that is on no page is as telling as one that is on this many. */
const UNKNOWN_PAGES = 1.5
/** Hits far below the best are no help. */
const SCORE_SHARE_MIN = 0.25

interface IndexedField {
  readonly counts: ReadonlyMap<string, number>
  readonly length: number
  readonly weight: number
}

interface Vocabulary {
  /** Every word as written, with its stem. */
  readonly words: ReadonlyMap<string, string>
  /** Documents that have the stem. */
  readonly documents: ReadonlyMap<string, number>
  readonly size: number
}

/** A word of the question with everything that counts as finding it, and for how much. */
interface Wanted {
  readonly stems: ReadonlyMap<string, number>
  /** How telling the word is. */
  readonly worth: number
}

/** An index over `items`; later changes of them are not seen. */
export function createSearchIndex(items: readonly Searchable[]): SearchIndex {
  const words = new Map<string, string>()
  const documents = new Map<string, number>()
  const indexed = items.map(({ fields }) => {
    const own = fields.map((field) => indexField(field, words))
    for (const stem of new Set(own.flatMap(({ counts }) => [...counts.keys()]))) documents.set(stem, (documents.get(stem) ?? 0) + 1)
    return own
  })
  const vocabulary: Vocabulary = { words, documents, size: items.length }
  const averages = averageLengths(indexed)

  return {
    search(question, limit) {
      const wanted = wantedOf(question, vocabulary)
      const total = wanted.reduce((sum, { worth }) => sum + worth, 0)
      if (total === 0) return []
      const hits = indexed.flatMap((fields, index) => {
        const { score, found } = scoreOf(fields, averages, wanted)
        return score > 0 && found / total >= COVERAGE_MIN ? [{ index, score: score * (items[index]?.likelihood ?? 1) }] : []
      })
      const best = Math.max(0, ...hits.map(({ score }) => score))
      return hits
        .filter(({ score }) => score >= best * SCORE_SHARE_MIN)
        .toSorted((a, b) => b.score - a.score)
        .slice(0, limit)
    },
  }
}

function indexField({ text, weight }: Field, words: Map<string, string>): IndexedField {
  const terms = termsOf(text)
  const counts = new Map<string, number>()
  for (const { word, stem } of terms) {
    words.set(word, stem)
    counts.set(stem, (counts.get(stem) ?? 0) + 1)
  }
  return { counts, length: terms.length, weight }
}

/** Mean length of each field over all documents; at least 1. */
function averageLengths(documents: readonly (readonly IndexedField[])[]): readonly number[] {
  const width = Math.max(0, ...documents.map((fields) => fields.length))
  return Array.from({ length: width }, (_, place) => {
    const sum = documents.reduce((length, fields) => length + (fields[place]?.length ?? 0), 0)
    return Math.max(1, sum / documents.length)
  })
}

/** How telling a stem is: the fewer documents have it, the more. */
const worthOf = (stem: string, { documents, size }: Vocabulary): number => {
  const having = documents.get(stem) ?? UNKNOWN_PAGES
  return Math.log(1 + (size - having + 0.5) / (having + 0.5))
}

function wantedOf(question: string, vocabulary: Vocabulary): readonly Wanted[] {
  const terms = new Map(termsOf(question).map(({ word, stem }) => [stem, word]))
  return [...terms].slice(0, QUESTION_TERMS_MAX).map(([stem, word]) => {
    const stems = new Map<string, number>()
    const add = (other: string, weight: number): void => {
      if (vocabulary.documents.has(other) && (stems.get(other) ?? 0) < weight) stems.set(other, weight)
    }
    add(stem, 1)
    const isKnown = stems.size > 0
    // Somebody who wrote a word that we know meant that word.
    const meant = isKnown ? [stem] : nearStems(word, vocabulary)
    for (const near of meant) add(near, isKnown ? 1 : SLIP_WEIGHT)
    for (const near of isKnown ? [stem] : [stem, ...meant]) for (const other of synonymsOf(near)) add(other, SYNONYM_WEIGHT)
    const worth = worthOf(isKnown ? stem : (meant[0] ?? stem), vocabulary)
    return { stems, worth }
  })
}

/** Stems of the words that `word` may have been meant to be. */
function nearStems(word: string, { words }: Vocabulary): readonly string[] {
  return [...new Set([...words].filter(([known]) => isNear(word, known)).map(([, stem]) => stem))]
}

function scoreOf(fields: readonly IndexedField[], averages: readonly number[], wanted: readonly Wanted[]) {
  let score = 0
  let found = 0
  const passing = Math.min(...fields.map((field) => field.weight))
  const isProminent = (stem: string): boolean =>
    fields.some(({ counts, weight }) => counts.has(stem) && (weight > passing || fields.length === 1))
  for (const { stems, worth } of wanted) {
    let best = 0
    let bestWeight = 0
    for (const [stem, weight] of stems) {
      const frequency = fields.reduce((sum, field, place) => sum + frequencyIn(field, stem, averages[place] ?? 1), 0)
      if (frequency === 0) continue
      best = Math.max(best, (weight * frequency * (SATURATION + 1)) / (SATURATION + frequency))
      bestWeight = Math.max(bestWeight, weight * (isProminent(stem) ? 1 : PASSING_SHARE))
    }
    score += worth * best
    found += worth * bestWeight
  }
  return { score, found }
}

function frequencyIn({ counts, length, weight }: IndexedField, stem: string, average: number): number {
  const count = counts.get(stem) ?? 0
  return count === 0 ? 0 : (weight * count) / (1 - LENGTH_SHARE + LENGTH_SHARE * (length / average))
}
