import type { SessionId } from '../conversation/ids.ts'

/** Which doorbells an answered command rings. */
export interface Rings {
  readonly session: SessionId | undefined
  readonly work: boolean
}

/** Tells listeners in this process that something was appended or may be claimed. A missed ring costs latency, never data. */
export interface Doorbells {
  readonly onAppend: (session: SessionId, bell: () => void) => () => void
  readonly onWork: (bell: () => void) => () => void
  readonly ring: (rings: Rings) => void
  /** Rings for everybody: something may have happened that nobody was told of. */
  readonly ringAll: () => void
}

/** Bells without listeners. The same function may listen twice; each listening ends by its own returned function. */
export function createDoorbells(): Doorbells {
  const appended = new Map<SessionId, Set<Listener>>()
  const work = new Set<Listener>()
  return {
    onAppend: (session, bell) => {
      const listener: Listener = { bell }
      const listeners = appended.get(session) ?? new Set()
      appended.set(session, listeners.add(listener))
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0 && appended.get(session) === listeners) appended.delete(session)
      }
    },
    onWork: (bell) => {
      const listener: Listener = { bell }
      work.add(listener)
      return () => {
        work.delete(listener)
      }
    },
    ring: (rings) => {
      // A copy: a bell may end its own listening or start another's.
      const ringing = [...(rings.session === undefined ? [] : (appended.get(rings.session) ?? [])), ...(rings.work ? work : [])]
      for (const { bell } of ringing) bell()
    },
    ringAll: () => {
      for (const { bell } of [...appended.values(), work].flatMap((listeners) => [...listeners])) bell()
    },
  }
}

interface Listener {
  readonly bell: () => void
}
