/**
 * Events that remember what was said, so that tests can ask.
 */
import type { Events } from '../telemetry/events.ts'

export interface RecordedEvents extends Events {
  /** Every argument that `name` was called with, oldest first. */
  of<Name extends keyof Events>(name: Name): readonly Parameters<Events[Name]>[0][]
}

export function createRecordedEvents(): RecordedEvents {
  const said = new Map<PropertyKey, unknown[]>()
  const of = (name: PropertyKey): readonly unknown[] => said.get(name) ?? []
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every method of `Events` is answered by the one `get`
  return new Proxy(
    {},
    {
      get: (_target, name) =>
        name === 'of'
          ? of
          : (fact: unknown): void => {
              const facts = said.get(name)
              if (facts === undefined) said.set(name, [fact])
              else facts.push(fact)
            },
    },
  ) as RecordedEvents
}
