/**
 * Reads single settings and gathers what is wrong with them, so that a person mends them all in one go.
 * A parser says what is allowed and never repeats the value: what was meant for another setting may be a secret.
 */

/** The process environment, as a value. */
export type Environment = Readonly<Record<string, string | undefined>>

type Parsed<Value> = { readonly value: Value } | { readonly problem: string }
/** Never called with an empty string. */
export type Parser<Value> = (given: string) => Parsed<Value>

export interface SettingsReader {
  /** The setting's value, or `otherwise` when it is not set or wrong; what is wrong is in `faults()`. */
  readonly read: <Value, Otherwise>(name: string, parse: Parser<Value>, otherwise: Otherwise) => Value | Otherwise
  readonly faults: () => readonly { readonly name: string; readonly problem: string }[]
}

/** A reader over `env` that remembers every fault it meets. */
export function readSettings(env: Environment): SettingsReader {
  const faults: { readonly name: string; readonly problem: string }[] = []
  return {
    read(name, parse, otherwise) {
      const given = env[name]?.trim() ?? ''
      if (given === '') return otherwise
      const parsed = parse(given)
      if ('value' in parsed) return parsed.value
      faults.push({ name, problem: `${parsed.problem}; what is set is ${describe(given)}` })
      return otherwise
    },
    faults: () => faults,
  }
}

/** What kind of value it is, without showing it. */
function describe(given: string): string {
  if (/^[+-]?\d+$/.test(given)) return 'a whole number outside that'
  if (/^[+-]?\d*\.\d+$/.test(given)) return 'a number with a fraction'
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) return 'a URL of another form'
  return `a text of ${given.length} character${given.length === 1 ? '' : 's'}`
}

/** A whole number from `min` to `max`, both allowed. */
export const wholeNumber =
  (min: number, max: number): Parser<number> =>
  (given) => {
    const value = /^\d{1,15}$/.test(given) ? Number(given) : Number.NaN
    return value >= min && value <= max ? { value } : { problem: `must be a whole number from ${min} to ${max}` }
  }

/** One of the words, exactly. */
export const oneOf =
  <const Word extends string>(...words: readonly Word[]): Parser<Word> =>
  (given) => {
    const value = words.find((word) => word === given)
    return value === undefined ? { problem: `must be ${words.map((word) => `"${word}"`).join(' or ')}` } : { value }
  }

export const toggle: Parser<boolean> = (given) =>
  given === 'true' || given === 'false' ? { value: given === 'true' } : { problem: 'must be "true" or "false"' }

/** Printable text of at most `charsMax` UTF-16 units. */
export const text =
  (charsMax: number): Parser<string> =>
  (given) =>
    given.length <= charsMax && !/\p{Cc}/u.test(given)
      ? { value: given }
      : { problem: `must be text of at most ${charsMax} characters without control characters` }

/** A URL with one of the schemes and without credentials in it. */
export const url =
  (...schemes: readonly string[]): Parser<string> =>
  (given) => {
    const problem = {
      problem: `must be a ${schemes.map((scheme) => `${scheme}//`).join(' or ')} URL without a user name or password in it`,
    }
    const parsed = URL.canParse(given) ? new URL(given) : undefined
    if (parsed === undefined || !schemes.includes(parsed.protocol)) return problem
    return parsed.username === '' && parsed.password === '' ? { value: given } : problem
  }

/** Where a Redis server is, and who we are there. */
interface RedisPlace {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

const REDIS_PORT = 6379
const REDIS_SERVERS_MAX = 32

/** One Redis server, or several nodes of one Cluster with commas between them: all by one scheme, user and password. */
export const redisPlaces: Parser<readonly RedisPlace[]> = (given) => {
  const places = given.split(',').map((each) => redisPlace(each.trim()))
  const [first] = places
  const known = places.filter((place) => place !== undefined)
  const form =
    'must be redis://[user:password@]host[:port][/database] or rediss://…, or several without a database and with commas between them'
  if (first === undefined || known.length < places.length || known.length > REDIS_SERVERS_MAX) return { problem: form }
  if (known.length > 1 && known.some(({ database }) => database !== 0)) return { problem: form }
  const isOne = known.every(
    ({ isTls, username, password }) => isTls === first.isTls && username === first.username && password === first.password,
  )
  return isOne ? { value: known } : { problem: 'must name nodes of one Cluster by one scheme, with the same user and password' }
}

function redisPlace(given: string): RedisPlace | undefined {
  if (!/^rediss?:\/\//i.test(given) || !URL.canParse(given)) return undefined
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(given)
  const database = /^\/?(\d{0,5})$/.exec(pathname)?.[1]
  if (hostname === '' || database === undefined || search !== '' || hash !== '') return undefined
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? REDIS_PORT : Number(port),
    isTls: protocol === 'rediss:',
    username: username === '' ? undefined : decodeURIComponent(username),
    password: password === '' ? undefined : decodeURIComponent(password),
    database: Number(database),
  }
}

/** What stands before every key: braces would choose the slot of a Cluster. */
export const keyPrefix: Parser<string> = (given) =>
  /^[\x21-\x7a|~]{1,64}$/.test(given)
    ? { value: given }
    : { problem: 'must be at most 64 printable ASCII characters without spaces and braces' }

const HOST_NAMES_MAX = 50

/** Names of hosts, with commas between them. */
export const hostNames: Parser<readonly string[]> = (given) => {
  const names = given.split(',').map((name) => name.trim().toLowerCase())
  const areNames = names.every((name) => /^(?=.{1,253}$)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+$/.test(name))
  return areNames && names.length <= HOST_NAMES_MAX
    ? { value: names }
    : { problem: `must be at most ${HOST_NAMES_MAX} names of hosts such as gov.uk, without scheme or port and with commas between them` }
}

/** Scheme, host and port, and nothing after them. */
export const origin: Parser<string> = (given) => {
  const parsed = URL.canParse(given) ? new URL(given) : undefined
  const isOrigin =
    parsed !== undefined &&
    (parsed.protocol === 'https:' || parsed.protocol === 'http:') &&
    (given === parsed.origin || given === `${parsed.origin}/`)
  return isOrigin
    ? { value: parsed.origin }
    : { problem: 'must be an origin such as https://chat.example.gov.uk, in lower case and without a path' }
}
