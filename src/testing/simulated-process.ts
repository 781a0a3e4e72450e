/**
 * A process that can die and can stand still. What was planned for a life that ended never happens;
 * what falls into a pause happens when it is over, as after a garbage collection or SIGSTOP.
 */
import type { World } from './world.ts'

export class SimulatedProcess {
  readonly world: World
  #life = 1
  #isAlive = true
  #pausedUntil = 0
  /** What fell into the pause, in order. */
  #held: (() => void)[] = []

  constructor(world: World) {
    this.world = world
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** When its last pause was over, or will be. */
  get awakeSince(): number {
    return this.#pausedUntil
  }

  /** Runs now, or after the pause; never in another life. */
  run(action: () => void): void {
    this.bound(action)()
  }

  /** Runs after `ms` milliseconds of the world, in this life only. The returned function takes it back. */
  after(ms: number, action: () => void): () => void {
    let isOff = false
    const takeBack = this.world.after(
      ms,
      this.bound(() => {
        if (!isOff) action()
      }),
    )
    return () => {
      isOff = true
      takeBack()
    }
  }

  /** A callback for others to call: it runs in this life or not at all. */
  bound<Args extends readonly unknown[]>(action: (...args: Args) => void): (...args: Args) => void {
    const life = this.#life
    return (...args) => {
      if (!this.#isAlive || life !== this.#life) return
      if (this.#isPaused) this.#held.push(() => action(...args))
      else action(...args)
    }
  }

  pauseFor(ms: number): void {
    const until = this.world.now() + ms
    if (until <= this.#pausedUntil) return
    this.#pausedUntil = until
    const life = this.#life
    this.world.after(ms, () => {
      if (life === this.#life) this.#wake()
    })
  }

  get #isPaused(): boolean {
    return this.world.now() < this.#pausedUntil || this.#held.length > 0
  }

  #wake(): void {
    while (this.#held.length > 0 && this.world.now() >= this.#pausedUntil) this.#held.shift()?.()
  }

  kill(): void {
    this.#isAlive = false
    this.#life += 1
    this.#pausedUntil = 0
    this.#held = []
  }

  start(): void {
    this.#isAlive = true
  }
}
