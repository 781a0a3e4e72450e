/**
 * Whose limits a request counts against: the address of the connection, or, behind `hops` proxies that each append the address
 * they saw to `X-Forwarded-For`, the one that the outermost of them saw. What stands before it, anyone could have written.
 */
export function addressOf(remoteAddress: string, headers: Readonly<Record<string, unknown>>, hops: number): string {
  const forwardedFor = headers['x-forwarded-for']
  if (hops === 0 || typeof forwardedFor !== 'string') return remoteAddress
  const seen = forwardedFor.split(',').map((address) => address.trim())
  const address = seen.at(-hops) ?? seen[0]
  return address === undefined || !ADDRESS.test(address) ? remoteAddress : address
}

/** The characters of IPv4 and IPv6 addresses; the longest IPv6 form has 45. */
const ADDRESS = /^[0-9A-Fa-f.:]{2,45}$/
