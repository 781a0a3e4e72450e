/**
 * What the device keeps for conversations, on pages that show none: it goes with a conversation that somebody deletes, and is given back
 * where one has closed.
 *
 * Shares no code with the chat page, so that other pages need not load any of that: names and key are those of `indexed-outbox.ts`.
 */

/** Elements that are about what is kept for one conversation carry `data-visitor` and `data-session`. */
interface Owner {
  readonly visitor: string
  readonly session: string
}

function ownerOf({ dataset: { visitor, session } }: HTMLElement): Owner | undefined {
  return visitor === undefined || session === undefined ? undefined : { visitor, session }
}

/** Rejects where the browser keeps nothing. Where nothing was ever kept it does nothing: a database without its stores must not come to be. */
const withRows = (use: (rows: IDBObjectStore) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open('chat')
    opening.addEventListener('upgradeneeded', () => opening.transaction?.abort())
    opening.addEventListener('error', () => resolve())
    opening.addEventListener('success', () => {
      const { result: database } = opening
      try {
        const transaction = database.transaction('outbox', 'readwrite')
        use(transaction.objectStore('outbox'))
        transaction.addEventListener('complete', () => resolve())
        transaction.addEventListener('abort', () => reject(transaction.error ?? new Error('the database was closed')))
      } finally {
        database.close()
      }
    })
  })

const all = ({ visitor, session }: Owner): IDBKeyRange => IDBKeyRange.bound([visitor, session], [visitor, session, []])

/** When the form is sent, what is kept for its conversation is deleted; it does not wait for that. */
export function forgetOnSubmit(form: HTMLFormElement): void {
  const owner = ownerOf(form)
  if (owner === undefined) return
  form.addEventListener('submit', () => void withRows((rows) => rows.delete(all(owner))).catch(reportError))
}

/** An array sorts behind every text, so this is everything that begins with it. */
const allOf = (visitor: string): IDBKeyRange => IDBKeyRange.bound([visitor], [visitor, []])

/**
 * Shows each question that is kept for a conversation that has closed in a form of its own, which asks it in a new one or deletes it:
 * for the conversation that `place` names, or for all but those that it says are open.
 */
export function offerKept(place: HTMLElement): void {
  const { visitor, session: only, open = '' } = place.dataset
  const template = place.querySelector('template')
  if (visitor === undefined || template === null) return
  const isOpen = new Set(open.split(' '))
  const offer = ({ text, session, messageId }: KeptQuestion, index: number): void => {
    const copy = template.content.cloneNode(true)
    if (!(copy instanceof DocumentFragment)) return
    const [form, box, label] = [copy.querySelector('form'), copy.querySelector('textarea'), copy.querySelector('label')]
    const id = copy.querySelector<HTMLInputElement>('input[name=clientMessageId]')
    if (form === null || box === null || label === null || id === null) return
    box.value = text
    box.id += index
    label.htmlFor = box.id
    id.value = messageId
    // Asked, it stays until the page of the new conversation shows it: the form may get no answer, and asks the same again then.
    form.querySelector('button[type=button]')?.addEventListener('click', () => {
      withRows((rows) => rows.delete([visitor, session, messageId])).catch(reportError)
      form.remove()
      place.hidden = place.querySelector('form') === null
      focusOnHeading()
    })
    place.append(copy)
    place.hidden = false
  }
  withRows((rows) => {
    const found = rows.getAll(only === undefined ? allOf(visitor) : all({ visitor, session: only }))
    found.addEventListener('success', () => found.result.filter((row) => isKept(row) && !isOpen.has(row.session)).forEach(offer))
  }).catch(reportError)
}

/** What had the focus is gone. */
function focusOnHeading(): void {
  const heading = document.querySelector('h1')
  heading?.setAttribute('tabindex', '-1')
  heading?.focus()
}

interface KeptQuestion {
  readonly session: string
  readonly messageId: string
  readonly text: string
}

/** Anybody who had the device may have written it. */
function isKept(value: unknown): value is KeptQuestion {
  if (typeof value !== 'object' || value === null) return false
  const { text, session, messageId }: Partial<Record<keyof KeptQuestion, unknown>> = value
  return [text, session, messageId].every((field) => typeof field === 'string')
}
