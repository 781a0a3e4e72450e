/**
 * Entry of the browser bundle: enhances what is on the page, and leaves it as the server wrote it when something is missing.
 */
import { Button, CharacterCount, ErrorSummary, SkipLink } from 'govuk-frontend'

/** One component that cannot be enhanced must not keep the others from it. */
function attempt(enhance: () => void): void {
  try {
    enhance()
  } catch (error) {
    reportError(error)
  }
}

for (const Component of [Button, CharacterCount, ErrorSummary, SkipLink]) {
  for (const element of document.querySelectorAll(`[data-module="${Component.moduleName}"]`)) attempt(() => void new Component(element))
}
