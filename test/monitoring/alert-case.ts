/**
 * For every alert, what makes it fire and what must not, in promtool's notation: a value a minute, `0+5x60` counts up by 5
 * sixty times, `1x10` stays at 1.
 */

/** Series by name and labels. */
export type SeriesValues = Readonly<Record<string, string>>

export interface AlertCase {
  readonly title: string
  readonly series: SeriesValues
  /** When it is looked at. */
  readonly at: string
  /** Between two values; a minute when absent. */
  readonly interval?: string
}

export interface AlertCases {
  /** Each with the labels that the alert then has, beside its own. */
  readonly fires: readonly (AlertCase & { readonly labels?: SeriesValues })[]
  readonly quiet: readonly AlertCase[]
}

/** Questions that ended with an answer, and without. */
export const ends = (answered: string, failed: string): SeriesValues => ({
  'chat_messages_total{type="user",status="completed"}': answered,
  'chat_messages_total{type="user",status="failed"}': failed,
})
