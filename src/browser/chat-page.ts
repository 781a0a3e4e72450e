/**
 * The chat page come alive: link, view and page wired together. What people do goes to the link; what the link says is shown,
 * at most ten times a second.
 */
import type { MessageId, TurnId } from '../conversation/ids.ts'
import { CONNECT_TIMEOUT_MS } from '../conversation/limits.ts'
import { questionKey } from '../page/item-view.ts'
import type { PageData } from '../page/page-data.ts'
import type { Clock } from '../resilience/clock.ts'
import type { PostForm } from './browser-env.ts'
import type { Connection } from './connection.ts'
import { createComposer, type Composer, type ComposerOptions } from './composer.ts'
import { find, findIn, focusOn, setVisible } from './elements.ts'
import { viewOfLink } from './link-view.ts'
import { createRenderer } from './render.ts'
import { isOnItsWay } from './pending-view.ts'
import { initialView, nextDeadline, stepView, type LinkView, type PendingQuestion } from './view-model.ts'

export interface ChatPageOptions {
  readonly link: Connection
  readonly data: PageData
  readonly clock: Clock
  readonly hasKeyboard: boolean
  readonly mintId: () => MessageId
  readonly post: PostForm
  /** Brings components to life in what was added to the page; it works without, too. */
  readonly enhance: (added: ParentNode) => void
  readonly personal: ComposerOptions['personal']
}

/** Ten times a second is as often as anyone sees. */
const RENDER_EVERY_MS = 100

/** @throws when the page is not the chat page; it stays as the server wrote it then */
export function enhanceChatPage(options: ChatPageOptions): void {
  const { link, data, clock } = options
  const renderer = createRenderer(clock)
  let state = initialView(clock.monotonic())
  let acted = false
  let renderedAt = Number.NEGATIVE_INFINITY
  let cancelRender: (() => void) | undefined
  let cancelTick: (() => void) | undefined
  const composer = createComposer({
    ...options,
    words: data.liveWords,
    startHref: data.startHref,
    personalInformation: data.personalInformation,
    isTaking: () => isTaking(viewOfLink(link.state)),
    hasRoom: () => link.hasRoom,
    send,
  })

  const sendPlainlyIfNeeded = plainly(options, composer, () => state.view.wasLive)

  function send({ messageId, text }: Pick<PendingQuestion, 'messageId' | 'text'>): void {
    link.ask({ messageId, text, inReplyTo: undefined })
    sendPlainlyIfNeeded()
    act()
  }

  function act(): void {
    acted = true
    render()
    renderer.follow()
  }

  function render(): void {
    cancelRender?.()
    cancelRender = undefined
    cancelTick?.()
    renderedAt = clock.monotonic()
    const view = viewOfLink(link.state)
    const context = { itemWords: data.itemWords, words: data.liveWords, now: renderedAt, wallNow: clock.now() }
    state = stepView(state, view, context, acted)
    acted = false
    renderer.render(state.view)
    link.withdraw(...composer.settle(view))
    const next = nextDeadline(state)
    if (next !== undefined) cancelTick = clock.schedule(next - renderedAt, render)
  }

  link.onChange(() => {
    if (cancelRender !== undefined) return
    const wait = renderedAt + RENDER_EVERY_MS - clock.monotonic()
    cancelRender = clock.schedule(Math.max(0, wait), render)
  })
  wireActions(link, options.mintId, act, () => state.view.running)
  wireChoices(link, composer, act)
  // What an earlier page left on the device; whoever has a text in the box decides over it first.
  if (composer.isEmpty()) sendPlainlyIfNeeded()
  render()
}

/**
 * Where no link ever opens, forms work: the same ids, so each stays one question. The returned function begins to look whether that
 * is so; it is tried until nothing waits or a link has opened.
 */
function plainly({ link, clock }: ChatPageOptions, composer: Composer, wasLive: () => boolean): () => void {
  let isDue = false
  const look = async (): Promise<void> => {
    const { status, pending, isDeviceOffline, failures } = viewOfLink(link.state)
    const waiting = pending.filter(isOnItsWay)
    isDue = status === 'away' && !wasLive() && waiting.length > 0
    if (!isDue) return
    // A form that is sent without a network leaves the page for the browser's own error.
    // A try goes by socket and by events: only where both have failed do questions go by the form.
    if (!isDeviceOffline && failures > 0) await composer.sendPlainly(waiting)
    lookLater()
  }
  // Never rejects: what could not be sent waits on, and the page says so.
  const lookLater = (): void => void clock.schedule(CONNECT_TIMEOUT_MS, () => void look())
  return () => {
    if (!isDue) lookLater()
    isDue = true
  }
}

/** Whether a question may be handed to the link; where the link has ended for good the form goes its plain way. */
const isTaking = ({ status }: LinkView): boolean => status === 'connected' || status === 'away'

type Running = () => { readonly turnId: TurnId } | undefined

/** The forms of the page, sent through the link while it works and as forms when it does not. */
function wireActions(link: Connection, mintId: () => MessageId, act: () => void, running: Running): void {
  const through = (form: HTMLFormElement, event: Event, send: () => boolean): void => {
    if (viewOfLink(link.state).status !== 'connected') return
    try {
      if (!send()) return
      event.preventDefault()
      act()
    } catch (error) {
      reportError(error)
      event.preventDefault()
      form.submit()
    }
  }
  find('try-now').addEventListener('click', () => link.reconnectNow())
  wireGoToAnswer()
  const stopForm = find('stop-form', HTMLFormElement)
  stopForm.addEventListener('submit', (event) => {
    through(stopForm, event, () => {
      const turn = running()
      if (turn !== undefined) link.stop(turn.turnId)
      return turn !== undefined
    })
  })
  find('messages').addEventListener('submit', (event) => {
    const form = event.target
    if (!(form instanceof HTMLFormElement)) return
    const about = findIn(form, 'input[name=inReplyTo]', HTMLInputElement).value
    const question = viewOfLink(link.state).items.find((item) => item.kind === 'question' && item.messageId === about)
    if (question?.kind !== 'question') return
    through(form, event, () => {
      if (form.dataset['action'] === 'cancel') link.stop(question.turnId)
      else link.ask({ messageId: mintedOnce(form, mintId), text: textOf(form) || question.text, inReplyTo: question.messageId })
      return true
    })
  })
}

/** What can be done with questions that wait on the device. */
function wireChoices(link: Connection, composer: Composer, act: () => void): void {
  const pending = (): readonly PendingQuestion[] => viewOfLink(link.state).pending
  find('messages').addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-choice]') : null
    const key = button?.closest('li')?.id
    const question = pending().find(({ messageId }) => questionKey(messageId) === key)
    if (question === undefined) return
    const { messageId, text } = question
    const chosen = button?.getAttribute('data-choice')
    if (chosen === 'send-now') link.reconnectNow()
    if (chosen === 'revive') link.revive(messageId)
    if (chosen === 'edit' && !composer.edit(text)) return
    if (chosen === 'edit' || chosen === 'delete') link.withdraw(messageId)
    if (chosen === 'delete') focusOn(find('conversation-heading'))
    act()
  })
  const [ask, sure] = [find('delete-unsent'), find('delete-sure')]
  const swap = (isAsked: boolean): void => {
    setVisible(ask, !isAsked)
    setVisible(sure, isAsked)
    findIn(isAsked ? sure : ask, 'button').focus()
  }
  findIn(ask, 'button').addEventListener('click', () => swap(true))
  const [yes, no] = sure.querySelectorAll('button')
  no?.addEventListener('click', () => swap(false))
  yes?.addEventListener('click', () => {
    swap(false)
    link.withdraw(...pending().flatMap(({ state, messageId }) => (state === 'kept' ? [messageId] : [])))
    focusOn(find('conversation-heading'))
    act()
  })
}

function wireGoToAnswer(): void {
  const link = findIn(find('answer-ready'), 'a', HTMLAnchorElement)
  link.addEventListener('click', (event) => {
    const answer = document.getElementById(link.hash.slice(1))
    if (answer === null) return
    event.preventDefault()
    answer.scrollIntoView({ block: 'start' })
    focusOn(findIn(answer, 'h3'))
  })
}

const textOf = (form: HTMLFormElement): string => findIn(form, 'input[name=question]', HTMLInputElement).value

/** The form's own hidden id, so that a second press and the plain form ask the same one question. */
function mintedOnce(form: HTMLFormElement, mintId: () => MessageId): MessageId {
  const input = findIn(form, 'input[name=clientMessageId]', HTMLInputElement)
  if (input.value === '') input.value = mintId()
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- minted by the server or just now
  return input.value as MessageId
}
