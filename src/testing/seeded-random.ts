/**
 * All chance of a simulated world, from one seed.
 *
 * Each concern draws from a stream of its own name, so that taking one fault away does not shift what the others draw:
 * a failing history stays recognisable while it is shrunk.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

export interface SeededRandom {
  /** Uniform in [0, 1). */
  readonly next: () => number
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number
  /** True with the given probability. */
  happens(probability: number): boolean
  /** One of the list, which must not be empty. */
  pick<Value>(list: readonly Value[]): Value
  bytes(count: number): Uint8Array
  /** An independent stream for one concern; the same name gives the same stream. */
  stream(name: string): SeededRandom
}

/** FNV-1a: spreads names over seeds. Not for security. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value | 0
}

function bytesFrom(generator: ReturnType<typeof xoroshiro128plus>, count: number): Uint8Array {
  const bytes = new Uint8Array(count)
  for (let index = 0; index < count; index += 1) bytes[index] = generator.next() >>> 24
  return bytes
}

export function seededRandom(seed: number, name = ''): SeededRandom {
  const generator = xoroshiro128plus((seed ^ hash(name)) | 0)
  const between = (least: number, most: number): number => uniformInt(generator, least, most)
  const next = (): number => uniformFloat64(generator)
  return {
    next,
    between,
    happens: (probability) => next() < probability,
    pick: (list) => {
      const value = list[between(0, list.length - 1)]
      if (value === undefined) throw new RangeError('nothing to pick from')
      return value
    },
    bytes: (count) => bytesFrom(generator, count),
    stream: (concern) => seededRandom(seed, `${name}/${concern}`),
  }
}
