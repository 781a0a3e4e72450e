/** A person without JavaScript: reads pages of HTML and sends forms, and presses the button again when nothing comes back. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../src/resilience/clock.ts'
import type { ReadItem, Recording } from './recording.ts'
import type { Visit } from './carriers.ts'

const PATIENCE_MS = 6_000
const AGAIN_MS = 500

export class FormPerson implements Disposable {
  readonly #visit: Visit & { readonly name: string }
  readonly #recording: Recording
  readonly #clock: Clock
  readonly #gone = new AbortController()
  #csrf = ''
  #asked = 0
  /** Asked and not acknowledged, oldest first. */
  #waiting: readonly { readonly id: string; readonly text: string }[] = []

  constructor(visit: Visit & { readonly name: string }, recording: Recording, clock: Clock) {
    this.#visit = visit
    this.#recording = recording
    this.#clock = clock
    void this.#live()
  }

  get asked(): number {
    return this.#asked
  }

  get unacknowledged(): number {
    return this.#waiting.length
  }

  ask(text: string): void {
    const id = randomUUID()
    this.#asked += 1
    const { session, name: page } = this.#visit
    this.#waiting = [...this.#waiting, { id, text }]
    this.#recording.write({ type: 'typed', session, page, id, text })
  }

  [Symbol.dispose](): void {
    this.#gone.abort()
  }

  /** One thing after the other, as a person does. */
  async #live(): Promise<void> {
    const { signal } = this.#gone
    while (!signal.aborted) {
      try {
        await this.#read()
        await this.#send()
        await this.#clock.sleep(AGAIN_MS, signal)
      } catch {
        // Nobody answered in time, or not as a page does: the person tries again.
        await this.#clock.sleep(AGAIN_MS, signal).catch(() => undefined)
      }
    }
  }

  async #read(): Promise<void> {
    const { session, name: page } = this.#visit
    const { status, body } = await this.#request('')
    if (status !== 200) return
    this.#csrf = /name="csrf" value="([^"]+)"/.exec(body)?.[1] ?? ''
    this.#recording.write({ type: 'read', session, page, items: itemsOn(body) })
  }

  async #send(): Promise<void> {
    const [question] = this.#waiting
    if (question === undefined || this.#csrf === '') return
    const { session, name: page } = this.#visit
    const form = new URLSearchParams({ csrf: this.#csrf, clientMessageId: question.id, question: question.text })
    const { status } = await this.#request('/messages', form)
    if (status !== 303) return
    this.#waiting = this.#waiting.filter(({ id }) => id !== question.id)
    this.#recording.write({ type: 'acknowledged', session, page, id: question.id })
  }

  async #request(path: string, form?: URLSearchParams): Promise<{ readonly status: number; readonly body: string }> {
    const { cookie, session, origin } = this.#visit
    const place = origin()
    const impatient = new AbortController()
    const calm = this.#clock.schedule(PATIENCE_MS, () => impatient.abort())
    try {
      const response = await fetch(`${place}/conversations/${session}${path}`, {
        redirect: 'manual',
        headers: { cookie, origin: place },
        signal: AbortSignal.any([impatient.signal, this.#gone.signal]),
        ...(form === undefined ? {} : { method: 'POST', body: form }),
      })
      return { status: response.status, body: await response.text() }
    } finally {
      calm()
    }
  }
}

const MESSAGE = /<li class="app-message app-message--(\w+) [^"]*" id="([^"]+)">([\s\S]*?)<div data-status>/g
/** The blocks of an answer, and the text after them. */
const WORDS = /<div data-blocks>([\s\S]*?)<\/div>\s*<p class="app-message__text"|data-text[^>]*>([\s\S]*?)<\/p>/g

/** The messages that the page shows, outside of its templates. */
export function itemsOn(html: string): readonly ReadItem[] {
  const list = html.slice(0, html.indexOf('<template'))
  return [...list.matchAll(MESSAGE)].map(([, kind = '', key = '', inner = '']) => {
    const words = [...inner.matchAll(WORDS)].map(([, blocks, text]) => (blocks ?? text ?? '').replace(/<[^>]+>/g, ' '))
    return { kind, key, words: words.join(' ').replace(/\s+/g, ' ').trim() }
  })
}
