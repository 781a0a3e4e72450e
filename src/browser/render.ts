/**
 * The view on the page. Elements are touched here, and in the files beside it that it is made of, and nowhere else.
 *
 * Guarantees: it takes over what the server wrote and builds the rest from the page's own templates; what is finished is never
 * written again, so selection and a reader's place stay; focus is never lost; nothing scrolls for somebody who reads elsewhere.
 * HTML is inserted at one place only, and it comes from the server's renderer.
 */
import { ANSWER_LINKS_SHOWN_MAX } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { createAnnouncer } from './announcer.ts'
import { find, findIn, focusOn, setText, setVisible, template } from './elements.ts'
import { createFollower } from './follower.ts'
import type { Connection, PageView, ShownItem } from './view-model.ts'

export interface Renderer {
  render(view: PageView): void
  /** The person did something that belongs at the end of the page, so the page may go there. */
  follow(): void
}

/** Ids of the elements it works on; the template of the chat page has them all. */
const LIST = 'messages'

/** @throws when the page is not the chat page, so that it stays as the server wrote it */
export function createRenderer(clock: Pick<Clock, 'monotonic' | 'schedule'>): Renderer {
  const list = find(LIST, HTMLOListElement)
  const announcer = createAnnouncer(find('announce'), clock)
  const follower = createFollower(list, find('new-below'))
  const messages = createMessages(list)
  const stop = find('stop', HTMLButtonElement)
  const stopForm = find('stop-form', HTMLFormElement)
  let forks = 0

  return {
    follow: () => follower.follow(),
    render(view) {
      follower.before()
      if (view.forks !== forks) messages.clear()
      forks = view.forks
      const latestAnswer = messages.render(view.items)
      renderConnection(view.connection)
      setVisible(find('empty'), view.items.length === 0 && list.childElementCount === 0)
      setVisible(find('check'), !view.isLive)
      renderStop(view, latestAnswer)
      renderReady(view)
      renderAlert(view.alert)
      follower.after(latestAnswer)
      for (const text of view.announcements) announcer.say(text)
    },
  }

  function renderStop({ running }: PageView, latestAnswer: HTMLElement | undefined): void {
    if (running !== undefined) findIn(stopForm, 'input[name=inReplyTo]', HTMLInputElement).value = running.messageId
    // A button that goes away takes the focus with it; the answer it stopped is where the person was.
    if (running === undefined && document.activeElement === stop && latestAnswer !== undefined) focusOn(findIn(latestAnswer, 'h3'))
    setVisible(stop, running !== undefined)
  }
}

function renderConnection(connection: Connection): void {
  const region = find('connection')
  const lines = connection.kind === 'none' ? [] : connection.lines
  const now = [...region.children].map((child) => child.textContent)
  if (now.length !== lines.length || now.some((text, index) => text !== lines[index])) {
    region.replaceChildren(...lines.map((line) => setText(template('line-template'), line)))
  }
  const action = connection.kind === 'none' ? undefined : connection.action
  setVisible(find('try-now'), action === 'try-now')
  setVisible(find('start-new'), action === 'start-new')
  setVisible(find('unsent'), connection.kind === 'said' && connection.mayDelete)
}

function renderReady({ ready }: PageView): void {
  const place = find('answer-ready')
  setVisible(place, ready !== undefined)
  if (ready === undefined) return
  setText(findIn(place, '[data-text]'), ready.text)
  findIn(place, 'a', HTMLAnchorElement).hash = ready.key
}

function renderAlert(alert: string | undefined): void {
  if (alert !== undefined) find('send-notice').replaceChildren(setText(template('line-template'), alert))
}

interface Messages {
  /** Returns the element of the latest answer. */
  render(items: readonly ShownItem[]): HTMLElement | undefined
  clear(): void
}

function createMessages(list: HTMLOListElement): Messages {
  const pending = new Set<string>()
  const put = createPut()
  return {
    clear: () => list.replaceChildren(),
    render(items) {
      const keys = new Set(items.map(({ key }) => key))
      for (const key of pending) if (!keys.has(key)) document.getElementById(key)?.remove()
      pending.clear()
      let previous: HTMLElement | undefined
      let latestAnswer: HTMLElement | undefined
      for (const item of items) {
        if (item.isPending) pending.add(item.key)
        const element = document.getElementById(item.key) ?? newMessage(item)
        // Already in place, nearly always: items are appended and keep their order.
        if (!element.isConnected && previous === undefined) list.append(element)
        else if (previous !== undefined && previous.nextElementSibling !== element) previous.after(element)
        put(element, item)
        previous = element
        if (item.kind === 'answer') latestAnswer = element
      }
      return latestAnswer
    },
  }
}

function newMessage({ kind, key }: ShownItem): HTMLElement {
  const element = template(`${kind}-template`)
  element.id = key
  return element
}

/** Writes an item into its element, and only what is different from before. */
function createPut(): (element: HTMLElement, item: ShownItem) => void {
  const before = new WeakMap<HTMLElement, ShownItem>()
  return (element, item) => {
    const earlier = before.get(element)
    if (earlier !== undefined && isSame(earlier, item)) return
    before.set(element, item)
    element.className = `app-message app-message--${item.kind} app-message--${item.state}`
    setText(findIn(element, '[data-heading]'), item.heading)
    const time = findIn(element, 'time', HTMLTimeElement)
    setText(time, item.time)
    time.dateTime = item.isoTime
    putText(element, item)
    putStatus(findIn(element, '[data-status]'), item)
    putSources(element, item)
    if (item.choices.length > 0) putChoices(element, item)
    else putAction(element, item)
  }
}

const isSame = (one: ShownItem, other: ShownItem): boolean =>
  one.state === other.state &&
  one.heading === other.heading &&
  one.time === other.time &&
  one.text === other.text &&
  one.blocks.length === other.blocks.length &&
  one.isWorking === other.isWorking &&
  one.action?.name === other.action?.name &&
  choicesIn(one) === choicesIn(other) &&
  one.status.join('\n') === other.status.join('\n')

const choicesIn = ({ choices }: ShownItem): string => choices.map(({ name, label }) => name + label).join()

/** Appends the blocks that are new, and shows as text what is not in blocks yet. */
function putText(element: HTMLElement, { kind, blocks, text }: ShownItem): void {
  if (kind !== 'question') {
    const place = findIn(element, '[data-blocks]')
    // The page may know more than a link that is catching up: what is shown stays until the link has come as far.
    if (place.childElementCount > blocks.length) return
    for (const html of blocks.slice(place.childElementCount)) {
      const block = template(html.startsWith('<table') ? 'table-template' : 'block-template')
      insertHtml(block, html)
      place.append(block)
    }
  }
  const rest = findIn(element, '[data-text]')
  setText(rest, text)
  setVisible(rest, text !== '')
}

function putStatus(place: HTMLElement, { status, isWorking }: ShownItem): void {
  while (place.childElementCount > status.length) place.lastElementChild?.remove()
  status.forEach((line, index) => {
    const existing = place.children[index]
    const element = existing instanceof HTMLElement ? existing : template('status-template')
    if (existing === undefined) place.append(element)
    setText(element, line)
    element.classList.toggle('app-message__status--working', isWorking && index === status.length - 1)
  })
}

/** Once an answer has ended, its links are listed under it, each address once. */
function putSources(element: HTMLElement, { kind, state }: ShownItem): void {
  if (kind !== 'answer' || state === 'running' || element.querySelector('[data-sources]') !== null) return
  const links = new Map<string, HTMLAnchorElement>()
  for (const link of findIn(element, '[data-blocks]').querySelectorAll<HTMLAnchorElement>('a[href]:not([href^="#"])')) {
    if (links.size < ANSWER_LINKS_SHOWN_MAX && !links.has(link.href)) links.set(link.href, link)
  }
  if (links.size === 0) return
  const sources = template('sources-template')
  const rows = [...links.values()].map((link) => {
    const row = document.createElement('li')
    row.append(link.cloneNode(true))
    return row
  })
  findIn(sources, 'ul').replaceChildren(...rows)
  findIn(element, '[data-status]').after(sources)
}

/** The item's form, as the page without JavaScript has it: should sending through the link fail, it is posted. */
function putAction(element: HTMLElement, { action }: ShownItem): void {
  const place = findIn(element, '[data-actions]')
  const existing = place.firstElementChild
  if (existing?.getAttribute('data-action') === action?.name) return
  if (existing?.contains(document.activeElement) === true) focusOn(findIn(element, 'h3'))
  if (action === undefined) {
    place.replaceChildren()
    return
  }
  const form = template(`${action.name}-template`)
  findIn(form, 'input[name=inReplyTo]', HTMLInputElement).value = action.messageId
  if (action.name === 'ask-again') findIn(form, 'input[name=question]', HTMLInputElement).value = action.text
  const button = findIn(form, 'button')
  button.replaceChildren(action.label, setText(findIn(button, '[data-about]'), action.about))
  place.replaceChildren(form)
}

/** What a person can do with a question that waits on the device. */
function putChoices(element: HTMLElement, { choices }: ShownItem): void {
  const place = findIn(element, '[data-actions]')
  if (place.contains(document.activeElement)) focusOn(findIn(element, 'h3'))
  place.replaceChildren(
    ...choices.map(({ name, label, about }) => {
      const button = template('choice-template')
      button.dataset['choice'] = name
      button.replaceChildren(label, setText(findIn(button, '[data-about]'), about))
      return button
    }),
  )
}

type HtmlPolicy = { createHTML(html: string): string }

let policy: HtmlPolicy | undefined

/** The one place where text becomes elements. The page's policy allows it to this script alone. */
function insertHtml(element: HTMLElement, html: string): void {
  policy ??= trustedPolicy()
  element.innerHTML = policy.createHTML(html)
}

function trustedPolicy(): HtmlPolicy {
  const factory: unknown = Reflect.get(window, 'trustedTypes')
  const plain: HtmlPolicy = { createHTML: (html) => html }
  // Browsers without the feature have nothing to ask.
  if (typeof factory !== 'object' || factory === null || !('createPolicy' in factory)) return plain
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the standard's factory; its types are not in every library
  return (factory as { createPolicy(name: string, rules: HtmlPolicy): HtmlPolicy }).createPolicy('chat', plain)
}
