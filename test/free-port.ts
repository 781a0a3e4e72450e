import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that Linux gives to whoever connects without naming a port (32,768 and up), with the Cluster bus of a Redis on them, too. */
const FIRST = 12_000
const COUNT = 10_000
/** How far above its port the bus of a Redis Cluster is. */
const BUS = 10_000
const TRIES_MAX = 100

/**
 * A port of this machine for programs that must be told one: nobody listens on it now, nor on that of its Cluster bus, and nobody is
 * given it by chance, so that a program that is started again finds it free.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = FIRST + randomInt(COUNT)
    if ((await isFree(port)) && (await isFree(port + BUS))) return port
  }
  throw new Error(`no free port from ${FIRST} on`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
