/**
 * What the device keeps for conversations, on pages that show none: it goes with a conversation that somebody deletes, and is given back
 * where one has closed.
 *
 * Shares no code with the chat page, so that other pages need not load any of that: names and key are those of `indexed-outbox.ts`.
 */

/** Elements that are about what is kept carry `data-visitor` and `data-session`. */
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

/** Shows each question that is kept for a conversation that has closed in a form of its own, which asks it in a new one. */
export function offerKept(place: HTMLElement): void {
  const owner = ownerOf(place)
  const template = place.querySelector('template')
  if (owner === undefined || template === null) return
  const offer = ({ text, messageId }: KeptQuestion, index: number): void => {
    const copy = template.content.cloneNode(true)
    if (!(copy instanceof DocumentFragment)) return
    const [form, box, label] = [copy.querySelector('form'), copy.querySelector('textarea'), copy.querySelector('label')]
    const id = copy.querySelector<HTMLInputElement>('input[name=clientMessageId]')
    if (form === null || box === null || label === null || id === null) return
    box.value = text
    box.id += index
    label.htmlFor = box.id
    id.value = messageId
    form.addEventListener(
      'submit',
      () => void withRows((rows) => rows.delete([owner.visitor, owner.session, messageId])).catch(reportError),
    )
    place.append(copy)
    place.hidden = false
  }
  withRows((rows) => {
    const found = rows.getAll(all(owner))
    found.addEventListener('success', () => found.result.filter(isKept).forEach(offer))
  }).catch(reportError)
}

interface KeptQuestion {
  readonly messageId: string
  readonly text: string
}

/** Anybody who had the device may have written it. */
function isKept(value: unknown): value is KeptQuestion {
  if (typeof value !== 'object' || value === null) return false
  const { text, messageId }: { readonly text?: unknown; readonly messageId?: unknown } = value
  return typeof text === 'string' && typeof messageId === 'string'
}
