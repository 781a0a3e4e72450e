/**
 * The question box. What is typed leaves it only when the device or the server has the question; until then it can be sent again as
 * it is, and because the form holds the same hidden id, sending it any other way asks the same one question.
 */
import type { MessageId } from '../conversation/ids.ts'
import type { PersonalKind } from '../conversation/personal-information.ts'
import { checkQuestion, normaliseQuestion } from '../conversation/question-text.ts'
import type { PostForm } from './browser-env.ts'
import type { LiveWords, PageData } from '../page/page-data.ts'
import { isOnItsWay } from './pending-view.ts'
import { sayPersonal } from '../page/personal-words.ts'
import type { LinkView } from './view-model.ts'
import { find, findIn, setText, setVisible, template } from './elements.ts'

export type FindPersonal = (text: string) => readonly PersonalKind[]

export interface ComposerOptions {
  readonly words: LiveWords
  /** What becomes of a question that may hold personal information. */
  readonly personalInformation: PageData['personalInformation']
  /** Looks for it; `undefined` while that is being fetched: the form goes its plain way then, and the server asks. */
  readonly personal: () => FindPersonal | undefined
  /** Where a question goes that is asked in a new conversation. */
  readonly startHref: string
  /** Keyboards with a key of their own for sending; on others Enter adds a line. */
  readonly hasKeyboard: boolean
  readonly mintId: () => MessageId
  /** Whether the live link takes questions; when not, the form goes the way it goes without JavaScript. */
  readonly isTaking: () => boolean
  /** Whether the link can hold one more question. */
  readonly hasRoom: () => boolean
  /** Hands a question over. Throwing makes the form go the plain way, with the same id. */
  readonly send: (question: { readonly messageId: MessageId; readonly text: string }) => void
  /** Posts a form without leaving the page; whether the server took it. Never rejects. */
  readonly post: PostForm
  /** Brings components to life in what was added to the page. */
  readonly enhance: (added: ParentNode) => void
}

export interface Composer {
  /**
   * Looks what became of the question that was sent from the box. Once it is kept or the server has it, the box is free for the next
   * one; a refused one stays in the box.
   *
   * @returns refused questions that the person has in the box again, and so need not be shown anywhere else
   */
  settle(view: LinkView): readonly MessageId[]
  /**
   * Sends the questions that wait the way they go without JavaScript, in order and with the same ids; the last of them by the form
   * itself, which leads to the answer. Does nothing while somebody types another: these go before it then.
   */
  sendPlainly(waiting: readonly Sent[]): Promise<void>
  /** Puts a text into the box for a person to change, unless something is in it. */
  edit(text: string): boolean
  isEmpty(): boolean
}

interface Sent {
  readonly messageId: MessageId
  readonly text: string
}

/** The field that says that a person wants a question sent whatever it may hold. */
const CONFIRM = 'confirm'
/** Keys that end the composition of a character in some input methods report this code and nothing else. */
const COMPOSING = 229

export function createComposer(options: ComposerOptions): Composer {
  const form = find('composer', HTMLFormElement)
  const box = find('message', HTMLTextAreaElement)
  const id = findIn(form, 'input[name=clientMessageId]', HTMLInputElement)
  let sent: Sent | undefined

  form.addEventListener('submit', (event) => {
    const judge = judgeOf(options, event.submitter)
    if (!options.isTaking() || judge === 'not yet') return
    event.preventDefault()
    const text = readBox(box, options, judge)
    if (text === undefined) return
    if (!options.hasRoom()) return showNotice(options.words.tooManyWaiting)
    // The same text again is the question that is on its way already.
    if (sent !== undefined && sent.text === text) return
    // Changed since it was sent: another question, so another id.
    if (sent !== undefined) id.value = options.mintId()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- minted by the server or by `mintId`
    sent = { messageId: id.value as MessageId, text }
    try {
      showNotice(undefined)
      document.getElementById('notice')?.remove()
      options.send(sent)
    } catch (error) {
      reportError(error)
      submitConfirmed(form)
    }
  })

  if (options.hasKeyboard) sendOnEnter(form, box)

  function renew(): void {
    sent = undefined
    id.value = options.mintId()
  }

  function freeFor({ text }: Sent): void {
    if (holds(box, text)) write(box, '')
    showNotice(undefined)
    renew()
  }

  return {
    settle(view) {
      // In a conversation that is no more, the plain form asks in a new one.
      if (view.status === 'gone') form.action = options.startHref
      if (sent === undefined) return []
      const question = sent
      const pending = view.pending.find(({ messageId }) => messageId === question.messageId)
      if (pending?.state === 'keeping' || (pending !== undefined && isOnItsWay(pending) && !pending.isKept)) return []
      if (pending?.state !== 'refused' || pending.isKept) {
        freeFor(question)
        return []
      }
      renew()
      return holds(box, question.text) ? [question.messageId] : []
    },
    sendPlainly: (waiting) => sendPlainly(form, { box, id }, waiting, options.post),
    edit(text) {
      const isFree = isEmpty(box)
      showNotice(isFree ? undefined : options.words.boxInUse)
      if (isFree) write(box, text)
      box.focus()
      return isFree
    },
    isEmpty: () => isEmpty(box),
  }
}

const isEmpty = (box: HTMLTextAreaElement): boolean => box.value.trim() === ''
/** Typed on meanwhile: that is the beginning of the next question. */
const holds = (box: HTMLTextAreaElement, text: string): boolean => normaliseQuestion(box.value) === text

interface Fields {
  readonly box: HTMLTextAreaElement
  readonly id: HTMLInputElement
}

async function sendPlainly(form: HTMLFormElement, { box, id }: Fields, waiting: readonly Sent[], post: PostForm): Promise<void> {
  const last = waiting.at(-1)
  const isFree = (): boolean => isEmpty(box) || (last !== undefined && holds(box, last.text))
  if (last === undefined || !isFree()) return
  const before = waiting.slice(0, -1)
  const fields = before.map(({ messageId, text }) => fieldsOf(form, { [id.name]: messageId, [box.name]: text, [CONFIRM]: 'yes' }))
  if (!(await postAll(form.action, fields, isFree, post))) return
  id.value = last.messageId
  box.value = last.text
  submitConfirmed(form)
}

/** How what a question may hold is judged when it is sent in this way. */
function judgeOf({ personalInformation: how, personal, words }: ComposerOptions, submitter: HTMLElement | null): Judge | 'not yet' {
  if (how === 'off' || (how === 'warn' && submitter?.getAttribute('name') === CONFIRM)) return () => undefined
  const check = personal()
  if (check === undefined) return 'not yet'
  return (text) => {
    const kinds = check(text)
    return kinds.length === 0 ? undefined : sayPersonal(how, kinds, words)
  }
}

type Judge = (text: string) => string | undefined

/** What is in the box, unless something is to be said of it first. */
function readBox(box: HTMLTextAreaElement, options: ComposerOptions, judge: Judge): string | undefined {
  const checked = checkQuestion(box.value)
  showProblem(box, options, checked.ok ? undefined : options.words.problems[checked.problem])
  if (!checked.ok) return undefined
  const fault = judge(checked.text)
  if (fault !== undefined) sayFault(box, options, fault)
  return fault === undefined ? checked.text : undefined
}

function sayFault(box: HTMLTextAreaElement, options: ComposerOptions, fault: string): void {
  if (options.personalInformation === 'block') return showProblem(box, options, fault)
  const warning = template('personal-template')
  setText(findIn(warning, '[data-text]'), fault)
  findIn(warning, 'button[type=button]').addEventListener('click', () => {
    showNotice(undefined)
    box.focus()
  })
  find('send-notice').replaceChildren(warning)
  return undefined
}

/** By the form itself; what it may hold was looked at when the person sent it. */
function submitConfirmed(form: HTMLFormElement): void {
  const confirm = document.createElement('input')
  Object.assign(confirm, { type: 'hidden', name: CONFIRM, value: 'yes' })
  form.append(confirm)
  form.submit()
}

function showNotice(text: string | undefined): void {
  find('send-notice').replaceChildren(...(text === undefined ? [] : [setText(template('line-template'), text)]))
}

function write(box: HTMLTextAreaElement, text: string): void {
  box.value = text
  box.dispatchEvent(new Event('input', { bubbles: true }))
}

/** What the form would send if it held these values. */
function fieldsOf(form: HTMLFormElement, instead: Readonly<Record<string, string>>): URLSearchParams {
  const fields = new URLSearchParams()
  for (const [name, value] of new FormData(form)) if (typeof value === 'string') fields.append(name, value)
  for (const [name, value] of Object.entries(instead)) fields.set(name, value)
  return fields
}

/** One after the other, while nobody changes their mind; whether the server took them all. */
async function postAll(action: string, all: readonly URLSearchParams[], goesOn: () => boolean, post: PostForm): Promise<boolean> {
  for (const fields of all) if (!goesOn() || !(await post(action, fields))) return false
  return goesOn()
}

function sendOnEnter(form: HTMLFormElement, box: HTMLTextAreaElement): void {
  setVisible(find('enter-hint'), true)
  box.addEventListener('keydown', (event) => {
    // oxlint-disable-next-line typescript/no-deprecated -- the only sign some browsers give of a composition that just ended
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === COMPOSING) return
    event.preventDefault()
    form.requestSubmit()
  })
}

function showProblem(box: HTMLTextAreaElement, { words, enhance }: ComposerOptions, problem: string | undefined): void {
  const place = find('error-summary')
  place.replaceChildren()
  document.getElementById('message-error')?.remove()
  const title = document.title.replace(words.errorTitlePrefix, '')
  document.title = problem === undefined ? title : `${words.errorTitlePrefix}${title}`
  markInvalid(box, problem !== undefined)
  if (problem === undefined) return
  const error = template('error-message-template')
  setText(findIn(error, '[data-text]'), problem)
  box.before(error)
  const summary = template('error-summary-template')
  setText(findIn(summary, '[data-text]'), problem)
  place.append(summary)
  summary.tabIndex = -1
  summary.focus()
  // Leads from its link to the box's label.
  enhance(place)
}

/** The looks and the description of an error, as the server's page has them. */
function markInvalid(box: HTMLTextAreaElement, isInvalid: boolean): void {
  box.classList.toggle('govuk-textarea--error', isInvalid)
  box.closest('.govuk-form-group')?.classList.toggle('govuk-form-group--error', isInvalid)
  const described = (box.getAttribute('aria-describedby') ?? '').split(' ').filter((id) => id !== 'message-error')
  box.setAttribute('aria-describedby', [...described, ...(isInvalid ? ['message-error'] : [])].join(' '))
}
