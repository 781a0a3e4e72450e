/**
 * Makes a failing list shorter while it still fails: delta debugging (Zeller and Hildebrandt, 2002), one list at a time.
 */

/** The shortest list found for which `fails` holds, given that it holds for `list`. Calls `fails` at most `triesMax` times. */
export function shrink<Item>(list: readonly Item[], fails: (shorter: readonly Item[]) => boolean, triesMax = 200): readonly Item[] {
  let best = list
  let tries = 0
  let size = Math.ceil(best.length / 2)
  while (size >= 1 && best.length > 0) {
    const before = best.length
    for (let start = 0; start < best.length;) {
      const shorter = best.toSpliced(start, size)
      tries += 1
      if (tries > triesMax) return best
      if (fails(shorter)) best = shorter
      else start += size
    }
    if (size === 1 && best.length === before) return best
    size = size === 1 ? 1 : Math.ceil(size / 2)
  }
  return best
}
