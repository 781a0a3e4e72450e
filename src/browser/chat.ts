/**
 * Entry of the chat page's script: enhances what is on the page, and leaves it as the server wrote it when something is missing.
 */
import { isMessageId, mintMessageId, type MessageId } from '../conversation/ids.ts'
import { questionKey } from '../page/item-view.ts'
import { parsePageData } from '../page/page-data.ts'
import { enhanceChatPage } from './chat-page.ts'
import { Connection } from './connection.ts'
import { find } from './elements.ts'
import { createWindowEnv, postForm } from './window-env.ts'

// Whatever becomes of either, the other goes on. Without components the page works, too.
const components = import('./components.ts')

/** The questions that the server wrote into the page. */
const questionsShown = (): readonly MessageId[] =>
  Array.from(document.querySelectorAll('.app-message--question'), ({ id }) => id.slice(questionKey('').length)).filter(isMessageId)

const data = parsePageData(find('page-data').textContent)
const env = createWindowEnv(data.linkPath)
enhanceChatPage({
  link: new Connection(env, data, { shown: questionsShown(), ...data.log }),
  data,
  clock: env.clock,
  hasKeyboard: !matchMedia('(pointer: coarse)').matches,
  post: postForm,
  mintId: () => mintMessageId(env.clock.now(), env.randomBytes),
  enhance: (added) => void components.then((loaded) => loaded.enhance(added), reportError),
})
