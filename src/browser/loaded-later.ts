/**
 * What the chat page needs only after it has come alive, in one file and so one request: where no socket gets through, the link by
 * events, and before a question leaves the box, the look for personal information.
 */
export { personalInformationIn } from '../conversation/personal-information.ts'
export { openEventLink } from './event-link.ts'
