/**
 * The components of GOV.UK Frontend that our pages use, of the whole document and of what is added to it later. The only script of
 * pages without a conversation; the chat page fetches it once it has come alive.
 */
import { Button, CharacterCount, ErrorSummary, SkipLink } from 'govuk-frontend'
import { forgetOnSubmit, offerKept } from './kept-elsewhere.ts'

/** One part that cannot be enhanced must not keep the others from it; the page works without any of them. */
export function enhance(root: ParentNode): void {
  for (const Component of [Button, CharacterCount, ErrorSummary, SkipLink]) {
    for (const element of root.querySelectorAll(`[data-module="${Component.moduleName}"]`)) {
      try {
        // The element holds on to it.
        void new Component(element)
      } catch (error) {
        reportError(error)
      }
    }
  }
}

enhance(document)
for (const form of document.querySelectorAll<HTMLFormElement>('form[data-session]')) forgetOnSubmit(form)
for (const place of document.querySelectorAll<HTMLElement>('div[data-visitor]')) offerKept(place)
