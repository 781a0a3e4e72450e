/**
 * When somebody deletes a conversation, what the device still keeps for it goes, too.
 *
 * Shares no code with the chat page, so that other pages need not load any of that: names and key are those of `indexed-outbox.ts`.
 */

/** Clears the way for a form with `data-visitor` and `data-session` as it is sent; the form does not wait for it, and works without. */
export function forgetOnSubmit(form: HTMLFormElement): void {
  form.addEventListener('submit', () => {
    const { visitor, session } = form.dataset
    if (visitor === undefined || session === undefined) return
    const opening = indexedDB.open('chat')
    // There was no database, so there is nothing to delete; and one without its stores must not come to be.
    opening.addEventListener('upgradeneeded', () => opening.transaction?.abort())
    opening.addEventListener('success', () => {
      const { result: database } = opening
      const transaction = database.transaction('outbox', 'readwrite')
      transaction.objectStore('outbox').delete(IDBKeyRange.bound([visitor, session], [visitor, session, []]))
      database.close()
    })
  })
}
