/**
 * What the team that runs the service says about it on its pages: name, phase, contact, notice, and whether questions are taken.
 *
 * Plain text and addresses only; pages escape them like everything else. Pages ask for it at every request, because it may change
 * while the service runs (`profile-file.ts`).
 */

export interface ProfileLink {
  readonly text: string
  /** `https:`, `http:`, `mailto:`, or a path on this service. */
  readonly href: string
}

/** How people reach somebody who is not the assistant. */
export interface Contact {
  readonly paragraphs: readonly string[]
  readonly telephone: string | undefined
  /** When the telephone is answered. */
  readonly hours: string | undefined
  readonly email: string | undefined
  readonly links: readonly ProfileLink[]
}

/** Something that goes on with the service now, shown above the heading of every page. */
export interface Notice {
  readonly heading: string
  readonly paragraphs: readonly string[]
  readonly link: ProfileLink | undefined
}

export interface ServiceProfile {
  readonly name: string
  /** Completes "Ask about …". */
  readonly topic: string | undefined
  /** Who runs the service. */
  readonly organisation: string | undefined
  /** What the assistant is called above its answers. */
  readonly assistant: string | undefined
  readonly phase: { readonly name: 'alpha' | 'beta'; readonly feedbackHref: string | undefined } | undefined
  readonly contact: Contact | undefined
  /** Beside the links that every service has. */
  readonly footerLinks: readonly ProfileLink[]
  readonly notice: Notice | undefined
  /** The service's switch: while it is off no question is taken; everything else goes on. */
  readonly questions: { readonly areOpen: true } | { readonly areOpen: false; readonly paragraphs: readonly string[] }
}

/** What a service says that has nothing but a name. */
export const plainProfile = (name: string): ServiceProfile => ({
  name,
  topic: undefined,
  organisation: undefined,
  assistant: undefined,
  phase: undefined,
  contact: undefined,
  footerLinks: [],
  notice: undefined,
  questions: { areOpen: true },
})
