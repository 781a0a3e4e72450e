/**
 * Entry of the chat page's script: enhances what is on the page, and leaves it as the server wrote it when something is missing.
 */
import { isMessageId, mintMessageId, type MessageId } from '../conversation/ids.ts'
import { questionKey } from '../page/item-view.ts'
import { parsePageData } from '../page/page-data.ts'
import { enhanceChatPage } from './chat-page.ts'
import { Connection } from './connection.ts'
import { find } from './elements.ts'
import type { FindPersonal } from './composer.ts'
import { createWindowEnv, postForm } from './window-env.ts'

// Whatever becomes of either, the other goes on. Without components the page works, too.
const components = import('./components.ts')
let personal: FindPersonal | undefined
async function fetchPersonal(): Promise<void> {
  try {
    personal = (await import('./loaded-later.ts')).personalInformationIn
  } catch (error) {
    // Nobody looks then; a team that blocks such questions refuses them at the server, too.
    personal = () => []
    reportError(error)
  }
}
void fetchPersonal()

/** The questions that the server wrote into the page. */
const questionsShown = (): readonly MessageId[] =>
  Array.from(document.querySelectorAll('.app-message--question'), ({ id }) => id.slice(questionKey('').length)).filter(isMessageId)

const data = parsePageData(find('page-data').textContent)
const env = createWindowEnv(data)
enhanceChatPage({
  link: new Connection(env, data, { shown: questionsShown(), ...data.log }),
  data,
  clock: env.clock,
  hasKeyboard: !matchMedia('(pointer: coarse)').matches,
  post: postForm,
  mintId: () => mintMessageId(env.clock.now(), env.randomBytes),
  personal: () => personal,
  enhance: (added) => void components.then((loaded) => loaded.enhance(added), reportError),
})
