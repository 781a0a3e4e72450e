/**
 * Addresses of this service, for links, forms and redirects. A server that is somebody else's may register the gateway under a prefix, and
 * then all of them are below it.
 */
import type { MessageId } from '../conversation/ids.ts'
import { questionKey } from '../page/item-view.ts'

export interface Paths {
  /** Without a slash at the end; empty where the service has the whole server. */
  readonly root: string
  /** The start page. */
  readonly home: string
  /** Of an address that is written as if there were no prefix. */
  at(path: string): string
  conversation(session: string): string
  /** Where a question's answer is waited for and shown. */
  answer(session: string, messageId: MessageId): string
  /** Where the answer is shown as it is written. */
  written(session: string, messageId: MessageId): string
}

/** @param prefix - as hapi has it: `/assistant`, or empty */
export function createPaths(prefix: string): Paths {
  const at = (path: string): string => `${prefix}${path}`
  const conversation = (session: string): string => at(`/conversations/${session}`)
  return {
    root: prefix,
    home: prefix === '' ? '/' : prefix,
    at,
    conversation,
    answer: (session, messageId) => `${conversation(session)}?wait=${messageId}#${questionKey(messageId)}`,
    written: (session, messageId) => `${conversation(session)}/answers/${messageId}`,
  }
}
