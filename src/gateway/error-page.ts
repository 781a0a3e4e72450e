/** The page for a request that failed: what happened, what the person can do, and what they had typed. */
import type { Request } from '@hapi/hapi'
import { isMessageId, isSessionId, type SessionId } from '../conversation/ids.ts'
import { fill } from '../page/page-data.ts'
import { formField } from './forgery.ts'
import { FORM_FIELDS } from './form-fields.ts'
import type { ErrorPage } from './gateway-context.ts'
import type { Paths } from './paths.ts'
import { closedLines, renderPage, type PageShell } from './page-shell.ts'
import { deviceOwnerOf } from './visitor.ts'
import { ENGLISH } from './words.ts'

const words = ENGLISH.errors

/** What the page says; `resend` is the form that gives the person their text back. */
interface ErrorView {
  readonly title: string
  readonly lines: readonly string[]
  readonly resend: { readonly action: string; readonly button: string } | undefined
}

export const createErrorPage =
  (shell: PageShell): ((request: Request, page: ErrorPage) => string) =>
  (request, page) => {
    const view = viewOf(shell, request, page)
    const hasKept = page.keptText !== undefined && page.keptText.trim() !== ''
    return renderPage(shell, request, 'error', {
      title: view.title,
      robots: 'none',
      lines: view.lines,
      kept: hasKept ? { ...(view.resend ?? sameForm(request)), text: page.keptText, messageId: keptMessageId(request) } : undefined,
      device: page.code === 'SESSION_NOT_FOUND' && !hasKept ? deviceOf(shell, request) : undefined,
      // A wrong address is nothing to report.
      reference: isNoPage(page) ? undefined : fill(words.reference, { reference: page.reference }),
      links: links(shell.context.paths, request, page),
    })
  }

function viewOf(shell: PageShell, request: Request, page: ErrorPage): ErrorView {
  const isKept = page.keptText !== undefined && page.keptText.trim() !== ''
  switch (page.code) {
    case 'SESSION_NOT_FOUND':
      return {
        title: words.closedTitle,
        lines: [words.closed, ...(isKept ? [words.closedKept] : [])],
        resend: { action: shell.context.paths.at('/conversations'), button: words.closedSend },
      }
    case 'FORM_EXPIRED':
      return { title: words.oldPageTitle, lines: [isKept ? ENGLISH.chat.sendAgainOldPage : words.oldPage], resend: undefined }
    case 'STORE_UNAVAILABLE':
      return request.method === 'get'
        ? { title: words.unavailableTitle, lines: [words.offline], resend: undefined }
        : { title: words.offlineTitle, lines: [words.offline, ...(isKept ? [words.kept] : [])], resend: undefined }
    case 'QUESTIONS_CLOSED': {
      const { questions } = shell.context.service()
      const lines = questions.areOpen ? [] : closedLines(questions.paragraphs)
      return { title: ENGLISH.chat.questionsClosedHeading, lines: [...lines, ...(isKept ? [words.kept] : [])], resend: undefined }
    }
    case 'RATE_LIMITED':
      return { title: words.busyTitle, lines: [words.busy], resend: undefined }
    default:
      return byStatus(page, isKept)
  }
}

/** For people an address that takes forms only is no page either. */
const isNoPage = ({ status }: ErrorPage): boolean => status === 404 || status === 405

function byStatus(page: ErrorPage, isKept: boolean): ErrorView {
  if (isNoPage(page)) return { title: words.notFoundTitle, lines: words.notFound, resend: undefined }
  if (page.status < 500) return { title: page.title, lines: [page.message], resend: undefined }
  return { title: words.problemTitle, lines: [words.problem, words.problemKept, ...(isKept ? [words.unknown] : [])], resend: undefined }
}

/** The same form to the same place: with the same hidden id it asks once, however often it is sent. */
const sameForm = (request: Request) => ({ action: request.path, button: ENGLISH.chat.sendAgain })

function keptMessageId(request: Request): string | undefined {
  const posted = formField(request, FORM_FIELDS.messageId) ?? ''
  return isMessageId(posted) ? posted : undefined
}

/** Whose questions to a conversation that has closed a browser may still keep. */
function deviceOf({ context }: PageShell, request: Request): object | undefined {
  const session = idIn(request)
  if (session === undefined) return undefined
  const visitor = deviceOwnerOf(context.visitorOf(request), context.settings.secret)
  return { visitor, session, action: context.paths.at('/conversations') }
}

function idIn(request: Request): SessionId | undefined {
  const id: unknown = (request.params as Record<string, unknown> | null)?.['id']
  return typeof id === 'string' && isSessionId(id) ? id : undefined
}

/** Back to the conversation the request was about, when it named one, and to the start. */
function links(paths: Paths, request: Request, { code }: ErrorPage): readonly { readonly href: string; readonly text: string }[] {
  const id = idIn(request)
  const back = id !== undefined && code !== 'SESSION_NOT_FOUND' ? [{ href: paths.conversation(id), text: words.backToConversation }] : []
  return [...back, { href: paths.home, text: words.startPage }]
}
