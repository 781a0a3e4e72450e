/**
 * The device's outbox in IndexedDB. Each change is one transaction, on the disk when it is told; what it makes of the rows is decided by
 * `outbox.ts` inside it.
 *
 * The browser may have no database, have no room in it, close it or throw it away at any time. Each is an outcome; the next change
 * tries anew.
 */
import type { OutboxOutcome, OutboxStore } from './browser-env.ts'
import { applyChange, isLeftBehind, rowsOf, type OutboxChange, type OutboxScope } from './outbox.ts'

export interface IndexedOutboxPorts {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** A name that no other life of the database has had. */
  readonly mintBirth: () => string
}

const DATABASE = 'chat'
const VERSION = 1
/** By visitor, session and message id. */
const ROWS = 'outbox'
const ABOUT = 'about'
const BIRTH = 'birth'

export function createIndexedOutbox(scope: OutboxScope, ports: IndexedOutboxPorts): OutboxStore {
  let opening: Promise<IDBDatabase> | undefined
  const hints = createHints(`chat-outbox-${scope.session}`)

  const forget = (): void => {
    opening = undefined
  }
  const attempt = async (change: OutboxChange): Promise<OutboxOutcome> => {
    opening ??= openDatabase(ports.mintBirth, forget)
    const { isChanged, ...stored } = await transact(await opening, change, scope, ports.now())
    if (isChanged) hints.give()
    return stored
  }

  return {
    async apply(change) {
      try {
        // A database that was closed meanwhile says so only now.
        return await attempt(change).catch((error: unknown) => {
          forget()
          if (nameOf(error) !== 'InvalidStateError') throw error
          return attempt(change)
        })
      } catch (error) {
        return { type: 'unstored', why: nameOf(error) === 'QuotaExceededError' ? 'full' : 'failed' }
      }
    },
    onHint: (listener) => hints.onHint(listener),
  }
}

const nameOf = (error: unknown): string => (error instanceof DOMException ? error.name : '')

async function openDatabase(mintBirth: () => string, ended: () => void): Promise<IDBDatabase> {
  const database = await request(VERSION, mintBirth).catch((error: unknown) => {
    if (nameOf(error) !== 'VersionError') throw error
    // Of a newer release: its rows are read as far as they can be.
    return request(undefined, mintBirth)
  })
  database.addEventListener('close', ended)
  // A newer release waits for this: it cannot begin while an older page has the database open.
  database.addEventListener('versionchange', () => {
    ended()
    database.close()
  })
  return database
}

const request = (version: number | undefined, mintBirth: () => string): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, version)
    opening.addEventListener('upgradeneeded', () => {
      opening.result.createObjectStore(ROWS, { keyPath: ['visitor', 'session', 'messageId'] })
      opening.result.createObjectStore(ABOUT).put(mintBirth(), BIRTH)
    })
    opening.addEventListener('success', () => resolve(opening.result))
    opening.addEventListener('error', () => reject(errorOf(opening.error)))
  })

type Stored = Extract<OutboxOutcome, { type: 'stored' }> & { readonly isChanged: boolean }

async function transact(database: IDBDatabase, change: OutboxChange, scope: OutboxScope, at: number): Promise<Stored> {
  const transaction = database.transaction([ROWS, ABOUT], change.type === 'look' ? 'readonly' : 'readwrite', { durability: 'strict' })
  const store = transaction.objectStore(ROWS)
  const birth = transaction.objectStore(ABOUT).get(BIRTH)
  let stored: Omit<Stored, 'birth' | 'type'> | undefined
  const { visitor, session } = scope
  // An array sorts behind every text, so this is everything that begins with the two.
  const found = store.getAll(change.type === 'arrive' ? undefined : IDBKeyRange.bound([visitor, session], [visitor, session, []]))
  found.addEventListener('success', () => {
    const before = rowsOf(found.result, scope)
    const rows = applyChange(before, change, scope, at)
    for (const row of rows) if (!before.includes(row)) store.put(row)
    const kept = new Set(rows.map(({ messageId }) => messageId))
    for (const { messageId } of before) if (!kept.has(messageId)) store.delete([visitor, session, messageId])
    if (change.type === 'arrive') deleteLeftBehind(store, scope, change, at)
    stored = { rows, at, isChanged: rows.length !== before.length || rows.some((row) => !before.includes(row)) }
  })
  await new Promise<void>((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve())
    transaction.addEventListener('abort', () => reject(errorOf(transaction.error)))
  })
  if (stored === undefined) throw errorOf(null)
  return { type: 'stored', birth: String(birth.result), ...stored }
}

function deleteLeftBehind(store: IDBObjectStore, scope: OutboxScope, arrival: Extract<OutboxChange, { type: 'arrive' }>, at: number): void {
  const all = store.openCursor()
  all.addEventListener('success', () => {
    const cursor = all.result
    if (cursor === null) return
    if (isLeftBehind(cursor.value, scope, arrival, at)) cursor.delete()
    cursor.continue()
  })
}

/** Closed by the browser itself it says nothing of why. */
const errorOf = (error: DOMException | null): DOMException => error ?? new DOMException('the database was closed', 'AbortError')

interface Hints {
  give(): void
  onHint(listener: () => void): void
}

/** Between the pages of a session. Closed while the page is left, or it could not come back from the back/forward cache. */
function createHints(name: string): Hints {
  const listeners: (() => void)[] = []
  let channel: BroadcastChannel | undefined
  const open = (): void => {
    if (typeof BroadcastChannel !== 'function' || channel !== undefined) return
    channel = new BroadcastChannel(name)
    channel.addEventListener('message', () => {
      for (const listener of listeners) listener()
    })
  }
  open()
  addEventListener('pageshow', open)
  addEventListener('pagehide', () => {
    channel?.close()
    channel = undefined
  })
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin anyway
    give: () => channel?.postMessage(undefined),
    onHint: (listener) => void listeners.push(listener),
  }
}
