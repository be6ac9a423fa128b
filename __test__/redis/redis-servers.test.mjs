// The servers and the network that the other tests of Redis stand on: what they promise, they do.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import test from 'ava'
import { proxyTo } from '../_redis/proxy.mjs'
import { cluster, sentinel, single, withTls } from '../_redis/servers.mjs'

const stopped = async (t, starting) => {
  const servers = await starting
  t.teardown(() => servers.stop())
  return servers
}

/** A connection that collects its messages. */
const talk = async (t, port) => {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8').setNoDelay(true)
  t.teardown(() => socket.destroy())
  socket.heard = ''
  socket.on('data', (text) => {
    socket.heard += text
  })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Resolves when a socket is closed, by either side. */
const closed = (socket) => new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', resolve)))

const ask = async (socket, command) => {
  const before = socket.heard.length
  socket.write(`${command}\r\n`)
  while (!socket.heard.slice(before).endsWith('\r\n')) await once(socket, 'data')
  return socket.heard.slice(before).trim()
}

test('a server keeps its port over a kill and forgets what it knew', async (t) => {
  const server = await stopped(t, single({ memory: '4mb' }))
  const { port } = server
  t.is(await server.cli('set', 'a', '1'), 'OK')
  await server.kill()
  await t.throwsAsync(server.cli('ping'))
  await server.restart()
  t.is(server.port, port)
  t.is(await server.cli('get', 'a'), '')
  await t.throwsAsync(server.cli('set', 'a', 'x'.repeat(100), 'PX'), { message: /syntax error/ })
})

test('a paused server keeps connections and answers when it goes on', async (t) => {
  const server = await stopped(t, single())
  const socket = await talk(t, server.port)
  t.is(await ask(socket, 'PING'), '+PONG')
  server.pause()
  const answer = ask(socket, 'PING')
  const quiet = await talk(t, server.port)
  t.is(quiet.heard, '')
  server.resume()
  t.is(await answer, '+PONG')
})

test('a message may have any bytes', async (t) => {
  const server = await stopped(t, single())
  const socket = await talk(t, server.port)
  await ask(socket, 'SUBSCRIBE c')
  t.is(await server.publish('c', Buffer.from([65, 0, 10, 13, 66])), 1)
  t.is(await server.publish('unknown', Buffer.from([1])), 0)
})

test('servers and their folders go when the process that started them is killed', async (t) => {
  const script = `
    const { single } = await import(${JSON.stringify(new URL('../_redis/servers.mjs', import.meta.url).href)})
    const { folder, port } = await single()
    console.log(JSON.stringify({ folder, port }))
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
  const { folder, port } = JSON.parse(line)
  const socket = await talk(t, port)
  t.true(existsSync(folder))
  child.kill('SIGKILL')
  await closed(socket)
  // The folder goes right after the process.
  while (existsSync(folder)) await new Promise((resolve) => setTimeout(resolve, 5))
  t.false(existsSync(folder))
  const again = connect(port, '127.0.0.1')
  t.teardown(() => again.destroy())
  await t.throwsAsync(once(again, 'connect'), { code: 'ECONNREFUSED' })
})

test('TLS: without the authority, the password or the right there is no access', async (t) => {
  const server = await stopped(t, withTls())
  const { connect: connectSecurely } = await import('node:tls')
  const secure = connectSecurely({ port: server.port, host: '127.0.0.1', ca: server.ca }).setEncoding('utf8')
  t.teardown(() => secure.destroy())
  secure.heard = ''
  secure.on('data', (text) => {
    secure.heard += text
  })
  await once(secure, 'secureConnect')
  t.regex(await ask(secure, 'AUTH atrion wrong'), /WRONGPASS/)
  t.is(await ask(secure, `AUTH ${server.username} ${server.password}`), '+OK')
  t.is(await ask(secure, 'HSET atrion:a f v'), ':1')
  t.regex(await ask(secure, 'HSET other f v'), /NOPERM/)
  t.regex(await ask(secure, 'KEYS *'), /NOPERM/)
  t.regex(await ask(secure, 'PUBLISH other x'), /NOPERM/)
  const stranger = connectSecurely({ port: server.port, host: '127.0.0.1', ca: server.otherCa })
  await t.throwsAsync(once(stranger, 'secureConnect'), { message: /unable to verify|self-signed/ })
})

test('a cluster is whole, and slots can be moved', async (t) => {
  const { servers, reshard } = await stopped(t, cluster())
  const keyspace = await Promise.all([1, 2, 3].map((i) => servers[0].cli('set', `key:${i}`, i)))
  t.deepEqual(keyspace, ['OK', 'OK', 'OK'])
  await reshard(servers[0], servers[1], 5)
  t.regex(await servers[2].cli('cluster', 'nodes'), new RegExp(`:${servers[1].port}@.* 0-4 `))
})

test('Sentinel puts the replica in the place of a dead master', async (t) => {
  const { master, replica, watcher, name, failOver } = await stopped(t, sentinel({ password: 'sesame' }))
  t.is(await master.cli('set', 'a', '1'), 'OK')
  await t.throwsAsync(replica.cli('set', 'a', '2'), { message: /READONLY/ })
  await failOver()
  t.is(await replica.cli('set', 'a', '2'), 'OK')
  t.regex(await watcher.cli('sentinel', 'get-master-addr-by-name', name), new RegExp(String(replica.port)))
})

test('the proxy forwards, delays in order, holds back, lies, cuts and heals', async (t) => {
  const server = await stopped(t, single())
  const proxy = await stopped(t, proxyTo(server.port))
  const socket = await talk(t, proxy.port)
  t.is(await ask(socket, 'PING'), '+PONG')
  t.deepEqual(proxy.bytes, { sent: 6, received: 7 })

  proxy.delay(20)
  const slow = [ask(socket, 'ECHO 1')]
  proxy.delay(0)
  socket.write('ECHO 2\r\n')
  await Promise.all(slow)
  while (!socket.heard.endsWith('$1\r\n2\r\n')) await once(socket, 'data')
  t.true(socket.heard.endsWith('$1\r\n1\r\n$1\r\n2\r\n'))

  proxy.halfOpen()
  socket.write('PING\r\n')
  const { received } = proxy.bytes
  await once(proxy, 'sent')
  t.is(proxy.bytes.received, received)
  proxy.heal()
  while (!socket.heard.endsWith('+PONG\r\n')) await once(socket, 'data')

  proxy.garbage('nonsense')
  while (!socket.heard.endsWith('nonsense')) await once(socket, 'data')

  proxy.cut()
  await closed(socket)
  // A reset this early looks like a refusal to some.
  await closed(connect(proxy.port, '127.0.0.1').on('error', () => {}))
  proxy.heal()
  t.is(await ask(await talk(t, proxy.port), 'PING'), '+PONG')
  t.is(proxy.connections, 3)
})
