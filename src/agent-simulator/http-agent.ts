/**
 * The simulated agent over HTTP: takes questions in the forms of `openai-form.ts` and `ag-ui-form.ts`, answers one on each connection, and
 * fails as it is told.
 *
 * A request is a handshake and a question at once, so each fault strikes here as it does over WebSocket. Whoever asks cancels by ending the
 * connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { mintMessageId } from '../conversation/ids.ts'
import { SIMULATOR_CONNECTIONS_MAX, SIMULATOR_MESSAGE_BYTES_MAX } from '../conversation/limits.ts'
import { agUiForm } from './ag-ui-form.ts'
import type { AgentWorld } from './agent-link.ts'
import { deliverAnswer, NORMAL_ANSWER, type AnswerPlan, type AnswerWire } from './answer-run.ts'
import { isFromElsewhere, readBody } from './control.ts'
import type { Decision } from './faults.ts'
import { chosenKind } from './garbage.ts'
import type { AnswerStream, HttpForm, HttpReading } from './http-form.ts'
import { MODELS_PATH, modelsBody, openAiForm } from './openai-form.ts'

export interface HttpAgentWorld extends AgentWorld {
  decideHandshake(): Decision
}

export interface HttpAgent {
  /** Answers the request when it is one for the agent, and says whether it was. */
  handle(request: IncomingMessage, response: ServerResponse): boolean
  readonly openConnections: number
  /** Breaks what is open. */
  cut(): void
}

type Asked = Extract<HttpReading, { readonly ok: true }>

const FORMS: readonly HttpForm[] = [openAiForm, agUiForm]
const STREAM = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' }

export function createHttpAgent(world: HttpAgentWorld): HttpAgent {
  const open = new Set<ServerResponse>()
  return {
    handle(request, response) {
      const path = (request.url ?? '/').split('?')[0]
      const form = path === MODELS_PATH ? openAiForm : FORMS.find((one) => one.path === path)
      if (form === undefined) return false
      if (open.size >= SIMULATOR_CONNECTIONS_MAX) {
        refuse(response, { form, status: 503, message: 'too many connections' })
        return true
      }
      open.add(response)
      response.once('close', () => open.delete(response))
      new HttpExchange(world, form, response).take(request, path === MODELS_PATH)
      return true
    },
    get openConnections() {
      return open.size
    },
    cut() {
      for (const response of open) response.destroy()
    },
  }
}

interface Refusal {
  readonly form: HttpForm
  readonly status: number
  readonly message: string
  readonly retryAfterMs?: number | undefined
}

function refuse(response: ServerResponse, { form, status, message, retryAfterMs }: Refusal): void {
  const wish = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) }
  const allow = status === 405 ? { allow: 'POST' } : {}
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...wish, ...allow })
  response.end(JSON.stringify(form.refusal(message)))
}

/** One request and its answer. */
class HttpExchange {
  readonly #world: HttpAgentWorld
  readonly #form: HttpForm
  readonly #response: ServerResponse

  constructor(world: HttpAgentWorld, form: HttpForm, response: ServerResponse) {
    this.#world = world
    this.#form = form
    this.#response = response
  }

  /** `isCheck`: for the list of models, which is all that a check asks for. */
  take(request: IncomingMessage, isCheck: boolean): void {
    const { stats } = this.#world
    const method = isCheck ? 'GET' : 'POST'
    if (method === 'POST' && isFromElsewhere(request)) return this.#refuse(403, 'the request comes from another website')
    const decision = this.#world.decideHandshake()
    if (decision.type === 'refuse') {
      stats.count('refusals')
      return this.#refuse(decision.status, 'the simulator was told to take no connections', decision.retryAfterMs)
    }
    stats.count('connections')
    if (decision.type === 'silence') {
      stats.fault('silent')
      return
    }
    if (request.method !== method) {
      // A check of an agent that has no other.
      if (request.method === 'GET') stats.count('pings')
      return this.#refuse(405, `use ${method}`)
    }
    if (!isCheck) return readBody(request, SIMULATOR_MESSAGE_BYTES_MAX, (body) => this.#read(body, request))
    stats.count('pings')
    this.#response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }).end(modelsBody())
  }

  #read(body: string | undefined, { headers }: IncomingMessage): void {
    if (body === undefined) return this.#complain(413, `the body is larger than ${SIMULATOR_MESSAGE_BYTES_MAX} bytes`)
    const value = parseJson(body)
    if (value === undefined) return this.#complain(400, 'the body is not JSON')
    const reading = this.#form.read(value, headers)
    if (reading.ok) this.#ask(reading)
    else this.#complain(400, reading.problem)
  }

  #ask(asked: Asked): void {
    const { question } = asked
    this.#world.stats.question(question.turnId, question.attempt)
    const decision = this.#world.decideQuestion()
    switch (decision.type) {
      case 'limit':
        this.#world.stats.fault('rate-limited')
        return this.#refuse(429, 'too many questions', decision.retryAfterMs)
      case 'pass':
        return this.#answer(asked, NORMAL_ANSWER)
      case 'answer':
        return this.#answer(asked, decision)
      case 'refuse':
      case 'silence':
        // They strike at handshakes and are never decided for a question.
        throw new Error(`a question was met with ${decision.type} (SIM-3)`)
    }
  }

  #answer({ question, answer }: Asked, plan: AnswerPlan): void {
    const { clock, randomBytes, stats } = this.#world
    const controller = new AbortController()
    const callOff = clock.schedule(question.deadlineMs, () => controller.abort())
    let isOver = false
    this.#response.once('close', () => {
      callOff()
      if (!isOver) stats.cancel(question.turnId)
      controller.abort()
    })
    const stream = answer(clock.now(), mintMessageId(clock.now(), randomBytes))
    const wire = new StreamWire(this.#response, stream, (message, status) => this.#refuse(status, message))
    const over = (): void => {
      isOver = true
      if (!this.#response.writableEnded) this.#response.destroy()
    }
    // Being called off is a way to end, so what rejects is a mistake of ours: it ends the process, as it should.
    void deliverAnswer({ question: question.text, plan, wire, world: this.#world, signal: controller.signal }).finally(over)
  }

  #complain(status: number, message: string): void {
    this.#world.stats.count('badMessages')
    this.#refuse(status, message)
  }

  #refuse(status: number, message: string, retryAfterMs?: number): void {
    refuse(this.#response, { form: this.#form, status, message, retryAfterMs })
  }
}

/** Writes an answer as the events of its form; the head goes out with the first of them. */
class StreamWire implements AnswerWire {
  readonly #response: ServerResponse
  readonly #stream: AnswerStream
  readonly #refuse: (message: string, status: number) => void

  constructor(response: ServerResponse, stream: AnswerStream, refuseWith: (message: string, status: number) => void) {
    this.#response = response
    this.#stream = stream
    this.#refuse = refuseWith
  }

  async part(content: string, { sequence, done }: { readonly sequence: number; readonly done: boolean }): Promise<void> {
    await this.#send([...this.#stream.part(content), ...(done ? this.#stream.end(sequence + 1) : [])])
    if (done) this.#response.end()
  }

  async fail(retryable: boolean): Promise<void> {
    // Before the first word there is a status to say it with.
    if (!this.#response.headersSent) return this.#refuse('the simulator was told to fail', retryable ? 500 : 400)
    await this.#send(this.#stream.fail)
    this.#response.end()
  }

  async garbage(ending: Parameters<AnswerWire['garbage']>[0]): Promise<void> {
    await this.#send(this.#stream.garbage(chosenKind(ending)))
  }

  cut(): void {
    this.#response.destroy()
  }

  async #send(events: readonly (string | Uint8Array)[]): Promise<void> {
    const isFirst = !this.#response.headersSent
    if (isFirst) this.#response.writeHead(200, STREAM)
    for (const bytes of isFirst ? [...this.#stream.begin, ...events] : events) await this.#write(bytes)
  }

  #write(bytes: string | Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#response.destroyed) resolve()
    else this.#response.write(bytes, () => resolve())
    return promise
  }
}

function parseJson(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body)
    return value
  } catch {
    return undefined
  }
}
