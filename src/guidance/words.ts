/**
 * Text as search terms: words in lower case, cut to a stem so that "deleting" finds "deleted". English only, light on purpose:
 * it joins the forms that questions and help pages use and leaves everything else as it is.
 */

/** A word as it was written, in lower case, and its stem. */
export interface Term {
  readonly word: string
  readonly stem: string
}

const WORD = /[\p{L}\p{N}_]+(?:'[\p{L}]+)?/gu

/** Words that say nothing about what a question is about. */
const STOP_WORDS = new Set(
  `a about above after all also already am an and another any anyone anything are aren't as at be because been before being but by can can't cannot cant could did didn't didnt do does doesnt dont
  doesn't doing don't during each even ever for from get gets getting gave give given go goes going got had has have having he hello help her here hey hi him his how
  however i i'd i'll i'm i've im ive if in into is isn't isnt it it's its just know let like make me mean means might mine more most much must my need no nor not now
  of ok on once one only or other our ours out over own please put really s same say she should so some someone something such tell than thank thanks
  that that's the their them then there there's these they thing things this those through to today too under until up us use used using very want was wasn't way
  we well were what what's when where which while who whose why will with won't wont would yes yet you you'd you'll you're you've your yours`.split(
    /\s+/,
  ),
)

/** Forms that no ending explains. */
const IRREGULAR: Readonly<Record<string, string>> = {
  began: 'begin',
  begun: 'begin',
  broke: 'break',
  broken: 'break',
  chose: 'choose',
  chosen: 'choose',
  died: 'die',
  dies: 'die',
  dying: 'die',
  fell: 'fall',
  fallen: 'fall',
  forgot: 'forget',
  forgotten: 'forget',
  found: 'find',
  gone: 'lose',
  heard: 'hear',
  hidden: 'hide',
  held: 'hold',
  kept: 'keep',
  left: 'leave',
  lost: 'lose',
  ran: 'run',
  sent: 'send',
  shown: 'show',
  spoke: 'speak',
  stuck: 'stick',
  told: 'tell',
  went: 'go',
  written: 'write',
  wrote: 'write',
}

/** Endings, longest first, that are taken off when enough of the word is left. */
const ENDINGS: readonly (readonly [ending: string, left: number])[] = [
  ['abilities', 4],
  ['ibilities', 4],
  ['ability', 4],
  ['ibility', 4],
  ['ations', 4],
  ['ation', 4],
  ['ments', 4],
  ['ment', 4],
  ['ings', 3],
  ['ions', 3],
  ['able', 4],
  ['ible', 4],
  ['ness', 4],
  ['ing', 3],
  ['ion', 3],
  ['ies', 2],
  ['ied', 2],
  ['ers', 4],
  ['ed', 3],
  ['er', 4],
  ['ly', 4],
  ['es', 3],
  ['s', 3],
  ['y', 3],
  ['e', 3],
]

/** The stem of a word in lower case. */
export function stemOf(word: string): string {
  const irregular = Object.hasOwn(IRREGULAR, word) ? IRREGULAR[word] : undefined
  let stem = irregular ?? word.replace(/['’]s?$/, '')
  for (let changed = true; changed;) {
    const ending = ENDINGS.find(([text, left]) => stem.endsWith(text) && stem.length - text.length >= left && !stem.endsWith('ss'))
    changed = ending !== undefined
    if (ending !== undefined) stem = stem.slice(0, -ending[0].length)
  }
  return stem.replace(/([bdfgklmnprt])\1$/, '$1')
}

/** The terms of a text, in order, stop words left out. */
export function termsOf(text: string): readonly Term[] {
  const words = text.normalize('NFKC').toLowerCase().replaceAll('’', "'").match(WORD) ?? []
  return words.filter((word) => !STOP_WORDS.has(word)).map((word) => ({ word, stem: stemOf(word) }))
}

/**
 * Whether one slip of the hand turns `a` into `b`: a letter too many, too few, another, or two that changed places.
 * Two slips are allowed in long words, and none in short ones: nearly every short word is a slip away from some other.
 */
export function isNear(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length)
  const slipsMax = shorter >= 9 ? 2 : 1
  if (shorter < 5 || Math.abs(a.length - b.length) > slipsMax) return false
  return slipsBetween(a, b) <= slipsMax
}

/** Optimal string alignment distance. */
function slipsBetween(a: string, b: string): number {
  const width = b.length + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: width }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column < width; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      const best = Math.min((current[column - 1] ?? 0) + 1, (last[column] ?? 0) + 1, (last[column - 1] ?? 0) + (isSame ? 0 : 1))
      current[column] = isSwap ? Math.min(best, (beforeLast[column - 2] ?? 0) + 1) : best
    }
    beforeLast = last
    last = current
  }
  return last[b.length] ?? 0
}
