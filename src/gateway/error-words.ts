/** The words of failures: for people and for those who write API clients. Nothing else is ever said about a failure. */

/** By code; every code that can be answered is here, but `INTERNAL_ERROR`. */
export const MESSAGES: Readonly<Record<string, string>> = {
  VALIDATION_ERROR: 'The request is not valid. See what is wrong in the details.',
  SESSION_NOT_FOUND: 'There is no such conversation, or it has expired or was deleted.',
  MESSAGE_NOT_FOUND: 'There is no such message in this conversation.',
  MESSAGE_CONFLICT: 'This id was used before with other content.',
  MESSAGE_OUT_OF_ORDER: 'Another question of this device has to come first. See its number in the details.',
  MESSAGE_SEND_ERROR: 'The message may not have been saved. Send it again with the same id.',
  CURSOR_NOT_ON_LOG: 'This cursor does not belong to this conversation. Read it again from the start.',
  TOO_MANY_SESSIONS: 'You have as many conversations as one visitor can have. Delete one first.',
  TOO_MANY_OPEN_QUESTIONS: 'Too many questions wait for an answer. Try again when one has been answered.',
  QUESTIONS_CLOSED: 'This service does not take questions at the moment. Try again later.',
  RATE_LIMITED: 'Too many requests. Try again later.',
  STORE_UNAVAILABLE: 'The service cannot save or read messages at the moment. Try again later.',
  FORBIDDEN_ORIGIN: 'The request did not come from this service’s own pages.',
  FORM_EXPIRED: 'This page was open for too long, or was opened by somebody else. Send the form again.',
  FORBIDDEN: 'This is not allowed.',
  NOT_FOUND: 'There is nothing at this address.',
  METHOD_NOT_ALLOWED: 'This address does not take this method.',
  REQUEST_TIMEOUT: 'The request took too long to arrive.',
  PAYLOAD_TOO_LARGE: 'The request is too large.',
  UNSUPPORTED_MEDIA_TYPE: 'Send the request as application/json.',
  OVERLOADED: 'The service is busy. Try again later.',
}

/** The API never answers these: the first is for the pages of operators, the rest for the routes of a team that registers the plugins. */
const REFUSALS: Readonly<Record<string, string>> = {
  UNAUTHORIZED: 'This is for the people who run the service.',
  BULKHEAD_FULL: 'The service is busy. Try again later.',
  CIRCUIT_BREAKER_OPEN: 'A part of the service does not work at the moment and is left alone for a while. Try again later.',
  TIMEOUT: 'A part of the service took too long to answer. Try again later.',
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'There is a problem with what was sent',
  401: 'Not for everybody',
  403: 'Send the form again',
  404: 'Page not found',
  405: 'Page not found',
  408: 'That took too long',
  409: 'This was changed by something else',
  413: 'That is too long',
  415: 'There is a problem with what was sent',
  429: 'You are going too fast',
  503: 'Sorry, the service is unavailable',
  504: 'Sorry, the service is unavailable',
}

/** Sent with every 503 `offline`, and shown to people while nothing can be saved. */
export const OFFLINE_NOTICE = 'We cannot save or show messages at the moment. Keep your text and try again in a few minutes.'
/** Sent with a 202 `queued` that has no other help. */
export const QUEUED_NOTICE = 'Your question is saved. The assistant is not available at the moment; it will answer as soon as it is back.'

export const messageFor = (code: string): string =>
  MESSAGES[code] ?? REFUSALS[code] ?? 'Something went wrong. The reference helps us to find out what.'
export const titleFor = (status: number): string => TITLES[status] ?? 'Sorry, there is a problem with the service'
