/** What is said of a question that may hold personal information. */
import type { PersonalKind } from '../conversation/personal-information.ts'
import { fill, type LiveWords } from './page-data.ts'

/** "Your question may include a National Insurance number …", or that it must not. */
export const sayPersonal = (how: 'warn' | 'block', kinds: readonly PersonalKind[], { personal }: Pick<LiveWords, 'personal'>): string =>
  fill(personal[how], { what: kinds.map((kind) => personal.kinds[kind]).join(personal.and) })
