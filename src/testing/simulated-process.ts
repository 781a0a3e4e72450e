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

  constructor(world: World) {
    this.world = world
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Runs now, or after the pause; never in another life. */
  run(action: () => void): void {
    this.bound(action)()
  }

  /** Runs after `ms` milliseconds of the world, in this life only. The returned function takes it back. */
  after(ms: number, action: () => void): () => void {
    return this.world.after(ms, this.bound(action))
  }

  /** A callback for others to call: it runs in this life or not at all. */
  bound<Args extends readonly unknown[]>(action: (...args: Args) => void): (...args: Args) => void {
    const life = this.#life
    const attempt = (...args: Args): void => {
      if (!this.#isAlive || life !== this.#life) return
      const wait = this.#pausedUntil - this.world.now()
      if (wait > 0) this.world.after(wait, () => attempt(...args))
      else action(...args)
    }
    return attempt
  }

  pauseFor(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.world.now() + ms)
  }

  kill(): void {
    this.#isAlive = false
    this.#life += 1
    this.#pausedUntil = 0
  }

  start(): void {
    this.#isAlive = true
  }
}
