/**
 * Entry of the browser bundle: enhances what is on the page, and leaves it as the server wrote it when something is missing.
 */
import { Button, CharacterCount, ErrorSummary, SkipLink } from 'govuk-frontend'
import { mintMessageId } from '../conversation/ids.ts'
import { parsePageData } from '../page/page-data.ts'
import { enhanceChatPage } from './chat-page.ts'
import { Connection } from './connection.ts'
import { find } from './elements.ts'
import { createWindowEnv, postForm } from './window-env.ts'

/** One part that cannot be enhanced must not keep the others from it; the page works without any of them. */
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

if (document.querySelector('[data-module="app-chat"]') !== null) {
  attempt(() => {
    const data = parsePageData(find('page-data').textContent)
    const env = createWindowEnv(data.linkPath)
    enhanceChatPage({
      link: new Connection(env, data.session),
      data,
      clock: env.clock,
      hasKeyboard: !matchMedia('(pointer: coarse)').matches,
      post: postForm,
      mintId: () => mintMessageId(env.clock.now(), env.randomBytes),
    })
  })
}
