/** A TCP proxy that a test commands: where it leads, who is cut, what is held back and comes late. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Leads new connections to another port of this machine, and cuts those that there are. */
  readonly leadTo: (port: number) => void
  /** Nothing more reaches the replicas, and nobody is told. */
  readonly holdReplicas: () => void
  /** Replicas follow again, from where they were held. */
  readonly releaseReplicas: () => void
  /** Holds back what clients say on the connections that there are, also when they hang up. New connections are not held. */
  readonly hold: () => void
  /** Lets through what was held back; resolves when the server has answered it. */
  readonly release: () => Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  isReplica: boolean
  /** What the client said while it was held. */
  held: Buffer[] | undefined
}

export async function startProxy(target: number): Promise<TcpProxy> {
  let leadsTo = target
  let areReplicasHeld = false
  const pairs = new Set<Pair>()
  const listener = createServer((client) => join(pairs, client, connect(leadsTo, '127.0.0.1'), () => areReplicasHeld))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('a proxy without a port')
  return {
    port: address.port,
    leadTo: (port) => {
      leadsTo = port
      cut(pairs)
    },
    holdReplicas: () => {
      areReplicasHeld = true
    },
    releaseReplicas: () => {
      areReplicasHeld = false
      cut(new Set([...pairs].filter(({ isReplica }) => isReplica)))
    },
    hold: () => {
      for (const pair of pairs) pair.held = []
    },
    release: async () => {
      const held = [...pairs].filter((pair) => pair.held !== undefined && pair.held.length > 0)
      await Promise.all(held.map(letThrough))
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) pair.held = undefined
      cut(pairs)
      listener.close()
      await once(listener, 'close')
    },
  }
}

function join(pairs: Set<Pair>, client: Socket, server: Socket, areReplicasHeld: () => boolean): void {
  const pair: Pair = { client, server, isReplica: false, held: undefined }
  pairs.add(pair)
  client.on('data', (chunk: Buffer) => {
    pair.isReplica ||= chunk.includes('REPLCONF') || chunk.includes('PSYNC')
    if (pair.held === undefined) server.write(chunk)
    else pair.held.push(chunk)
  })
  server.on('data', (chunk: Buffer) => {
    if (!(areReplicasHeld() && pair.isReplica)) client.write(chunk)
  })
  const end = (): void => {
    if (pair.held !== undefined) return
    pairs.delete(pair)
    client.destroy()
    server.destroy()
  }
  for (const socket of [client, server]) socket.setNoDelay(true).on('error', end).on('close', end)
}

function cut(pairs: ReadonlySet<Pair>): void {
  for (const { client, server } of pairs) {
    client.resetAndDestroy()
    server.destroy()
  }
}

async function letThrough({ server, held = [] }: Pair): Promise<void> {
  const answered = once(server, 'data')
  server.write(Buffer.concat(held))
  await answered
}
