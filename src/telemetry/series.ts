/** The series of a metric: every set of labels that it can ever have, because an increase from nothing is one that nobody sees. */

/** A set of labels. */
export type Series<Name extends string = string> = Readonly<Record<Name, string>>

export interface SeriesList<Labels extends Series> {
  readonly names: readonly string[]
  readonly all: readonly Labels[]
}

/** The one series of a metric without labels. */
export const SINGLE: SeriesList<Readonly<Record<string, never>>> = { names: [], all: [{}] }

/** Series that are known once the service is put together. */
export const atStart = <const Name extends string>(...names: readonly Name[]): SeriesList<Series<Name>> => ({ names, all: [] })

/** One series for each value. */
export const each = <const Name extends string, const Value extends string>(
  name: Name,
  values: readonly Value[],
): SeriesList<Readonly<Record<Name, Value>>> => ({ names: [name], all: values.map((value) => labels([name, value])) })

/** One for each value of the outer label with each of the values of the inner one that go with it. */
export const pairs = <
  const Outer extends string,
  const Inner extends string,
  const Values extends Readonly<Record<string, readonly string[]>>,
>(
  outer: Outer,
  inner: Inner,
  values: Values,
): SeriesList<Pair<Outer, Inner, Values>> => ({
  names: [outer, inner],
  all: Object.entries(values).flatMap(([key, names]) =>
    names.map((name) => labels<Pair<Outer, Inner, Values>>([outer, key], [inner, name])),
  ),
})

type Pair<Outer extends string, Inner extends string, Values extends Readonly<Record<string, readonly string[]>>> = {
  [Key in keyof Values & string]: Readonly<Record<Outer, Key> & Record<Inner, Values[Key][number]>>
}[keyof Values & string]

/** One for each value of the outer label with each of the inner one. */
export const grid = <
  const Outer extends string,
  const OuterValue extends string,
  const Inner extends string,
  const InnerValue extends string,
>(
  outer: readonly [Outer, readonly OuterValue[]],
  inner: readonly [Inner, readonly InnerValue[]],
): SeriesList<Readonly<Record<Outer, OuterValue> & Record<Inner, InnerValue>>> => ({
  names: [outer[0], inner[0]],
  all: outer[1].flatMap((outerValue) => inner[1].map((innerValue) => labels([outer[0], outerValue], [inner[0], innerValue]))),
})

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows which labels its entries are
const labels = <Labels>(...entries: readonly (readonly [string, string])[]): Labels =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a computed key is typed as any string
  Object.fromEntries(entries) as unknown as Labels
