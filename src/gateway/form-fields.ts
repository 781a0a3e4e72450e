/** Names of the hidden and visible fields of every form; the gateway itself reads `csrf` and `question`. */
export const FORM_FIELDS = { csrf: 'csrf', messageId: 'clientMessageId', question: 'question', confirm: 'confirm' } as const
