/**
 * Events that remember what was said, so that tests can ask.
 */
import type { Events } from '../telemetry/events.ts'

export interface RecordedEvents extends Events {
  /** Every argument that `name` was called with, oldest first. */
  of<Name extends keyof Events>(name: Name): readonly Parameters<Events[Name]>[0][]
  /** Resolves when `name` is called the next time. */
  next(name: keyof Events): Promise<void>
}

export function createRecordedEvents(): RecordedEvents {
  const said = new Map<PropertyKey, unknown[]>()
  const awaited = new Map<PropertyKey, (() => void)[]>()
  const own: Readonly<Record<PropertyKey, unknown>> = {
    of: (name: PropertyKey): readonly unknown[] => said.get(name) ?? [],
    next: (name: PropertyKey): Promise<void> =>
      new Promise((resolve) => {
        awaited.set(name, [...(awaited.get(name) ?? []), resolve])
      }),
  }
  const say = (name: PropertyKey, fact: unknown): void => {
    said.set(name, [...(said.get(name) ?? []), fact])
    const waiting = awaited.get(name) ?? []
    awaited.delete(name)
    for (const resolve of waiting) resolve()
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every method of `Events` is answered by the one `get`
  return new Proxy({}, { get: (_target, name) => own[name] ?? ((fact: unknown): void => say(name, fact)) }) as RecordedEvents
}
