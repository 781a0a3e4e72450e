/**
 * A server to be measured beside ours: what the same connections cost with nothing, or with less, behind them.
 *
 * `bench-peer.ts KIND [URL]` listens on a free port of this machine and prints it. Kinds: `echo` (bare ws), `ack` (JSON parsed and
 * answered, nothing stored), `relay` (an agent's words passed on, nothing stored), `socket.io` (acknowledges and relays, nothing stored)
 * and `socket.io-redis` (the same with the Redis Streams adapter, which does not wait for its write).
 */
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-streams-adapter'
import { createClient } from 'redis'
import { Server as SocketIo } from 'socket.io'
import { WebSocket, WebSocketServer } from 'ws'

const [kind = '', agentUrl = '', redisUrl = ''] = process.argv.slice(2)
const http = createServer()

/** Asks the agent on a connection of its own, as ours does, and hands on each piece of its answer. */
function relay(question: string, hear: (text: string) => void): void {
  const socket = new WebSocket(agentUrl, { perMessageDeflate: false, headers: { 'x-session-id': 'bench', 'x-user-id': 'bench' } })
  socket.on('open', () => socket.send(JSON.stringify({ id: crypto.randomUUID(), type: 'message', content: question, metadata: {} })))
  socket.on('message', (data: Buffer) => {
    const message: unknown = JSON.parse(data.toString('utf8'))
    if (typeof message === 'object' && message !== null && 'content' in message && typeof message.content === 'string')
      hear(message.content)
  })
  socket.on('error', (error) => console.error(error))
}

function serveSockets(onMessage: (socket: WebSocket, data: Buffer) => void): void {
  const sockets = new WebSocketServer({ server: http, perMessageDeflate: false, clientTracking: false })
  sockets.on('connection', (socket) => socket.on('message', (data: Buffer) => onMessage(socket, data)))
}

async function serveSocketIo(): Promise<void> {
  const io = new SocketIo(http, { transports: ['websocket'], connectionStateRecovery: {} })
  if (kind === 'socket.io-redis') {
    const client = createClient({ url: redisUrl })
    await client.connect()
    io.adapter(createAdapter(client))
  }
  io.on('connection', (socket) => {
    void socket.join(socket.id)
    // Stored for recovery by emitting to a room, which is what the adapter keeps.
    socket.on('send', (question: { readonly text: string }, done: (answer: unknown) => void) => {
      io.to(socket.id).emit('message', question)
      done({ type: 'accepted' })
    })
    socket.on('ask', (question: string) => relay(question, (text) => void io.to(socket.id).emit('part', text)))
  })
}

switch (kind) {
  case 'echo':
    serveSockets((socket, data) => socket.send(data, { binary: false }))
    break
  case 'ack':
    serveSockets((socket, data) => {
      const message: unknown = JSON.parse(data.toString('utf8'))
      if (typeof message === 'object' && message !== null && 'messageId' in message)
        socket.send(JSON.stringify({ type: 'accepted', messageId: message.messageId, seq: 1, duplicate: false }))
    })
    break
  case 'relay':
    serveSockets((socket, data) => relay(data.toString('utf8'), (text) => socket.send(JSON.stringify({ type: 'part', text }))))
    break
  case 'socket.io':
  case 'socket.io-redis':
    await serveSocketIo()
    break
  default:
    throw new RangeError(`no peer is called ${kind}`)
}
http.listen(0, '127.0.0.1', () => {
  const address = http.address()
  console.log(`listening ${typeof address === 'object' && address !== null ? address.port : ''}`)
})
