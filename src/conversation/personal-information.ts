/**
 * Finds what a person had better not send to an assistant. Used by the page and by every way in, so that all look for the same. Pure.
 *
 * It looks for few things and only where the form is certain: a search that stops honest questions about holding numbers, tax references
 * or sums of money does more harm than good. What it finds is a reason to ask the person, who knows.
 */

/** In the order in which they are named. */
export const PERSONAL_KINDS = ['national-insurance-number', 'payment-card', 'email-address', 'mobile-number'] as const
export type PersonalKind = (typeof PERSONAL_KINDS)[number]

/** Prefixes that are never given out are left out, and so are suffixes beyond D. */
const NATIONAL_INSURANCE = /\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]([ -]?)\d{2}\1\d{2}\1\d{2}\1[A-D]\b/i
/** Groups of digits with a space or a hyphen between them, as cards print them. */
const CARD = /(?<![\d.,£$€/-])\d(?:[ -]?\d){12,18}(?![\d.,]?\d)/g
/** The first digits of the networks that people in this country have cards of. */
const CARD_NETWORK = /^(?:4|5[1-5]|2[2-7]|3[47]|6(?:011|4[4-9]|5))/
const EMAIL = /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]+@((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})/gu
/** Addresses of public bodies are what people ask about. */
const PUBLIC_DOMAIN = /(?:^|\.)(?:gov\.uk|nhs\.uk|police\.uk|mod\.uk|parliament\.uk)$/i
const MOBILE = /(?<![\d/£.,-])(?:\+44[ -]?(?:\(0\)[ -]?)?|0)7\d{3}[ -]?\d{3}[ -]?\d{3}(?![\d/]|[.,]\d)/

/** What `text` may hold; each kind once. */
export function personalInformationIn(text: string): readonly PersonalKind[] {
  const found: Readonly<Record<PersonalKind, boolean>> = {
    'national-insurance-number': NATIONAL_INSURANCE.test(text),
    'payment-card': [...text.matchAll(CARD)].some(([digits]) => isCard(digits.replace(/\D/g, ''))),
    'email-address': [...text.matchAll(EMAIL)].some(([, domain = '']) => !PUBLIC_DOMAIN.test(domain)),
    'mobile-number': MOBILE.test(text),
  }
  return PERSONAL_KINDS.filter((kind) => found[kind])
}

/** The check digit of payment cards, from right to left every second digit doubled. */
function isCard(digits: string): boolean {
  if (!CARD_NETWORK.test(digits)) return false
  const sum = digits
    .split('')
    .toReversed()
    .reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 === 1 ? 2 : 1)
      return total + (value > 9 ? value - 9 : value)
    }, 0)
  return sum % 10 === 0
}
