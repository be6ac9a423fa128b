// Studio over a real Redis: nodes that join and leave, a store that goes and comes back, and no secret of it.
import { RedisStateProvider } from 'atrion'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { BAD, CALM, create } from '../_engine.mjs'
import { single } from '../_redis/servers.mjs'
import { serve, view } from './_studio.mjs'

const redis = process.platform === 'win32' ? test.skip : test

redis('nodes that join and leave are noted, and a store that is gone is a finding', async (t) => {
  const server = await single()
  t.teardown(() => server.stop())
  const node = async () => {
    const atrion = create({ provider: new RedisStateProvider({ url: server.url, secret: 'hunter2-hunter2-hunter2' }) })
    await atrion.connect()
    const tick = setInterval(() => {
      atrion.route('GET /a', CALM)
      atrion.route('GET /bad', BAD)
    }, 20)
    const leave = async () => {
      clearInterval(tick)
      await atrion.disconnect()
    }
    t.teardown(leave)
    return { atrion, leave }
  }
  const own = await node()
  const front = await serve(t, atrionStudio(own.atrion))
  const viewer = await view(front)
  t.teardown(viewer.close)
  const alone = await viewer.until((state) => state.cluster?.nodes === 0)
  t.true(alone.cluster.isShared)
  t.false(alone.cluster.isDegraded)

  const other = await node()
  await viewer.until(({ changes }) => changes.some(({ text }) => text === '1 node joined: 1 besides this one'))
  await other.leave()
  await viewer.until(({ changes }) => changes.some(({ text }) => text === '1 node left: 0 besides this one'))

  await server.stop()
  const { findings, cluster } = await viewer.until((state) => state.cluster.isDegraded)
  t.is(typeof cluster.since, 'number')
  const gone = await viewer.until((state) => state.findings.some(({ cause }) => cause === 'store'))
  const finding = gone.findings.find(({ cause }) => cause === 'store')
  t.is(finding.route, undefined, 'it is no route’s')
  t.regex(finding.title, /^Shared state is gone: RedisStateProvider does not answer$/)
  t.true(Array.isArray(findings))
  t.true(gone.changes.some(({ kind }) => kind === 'store'))
  t.notRegex(JSON.stringify(viewer.events), /hunter2|redis:\/\/|127\.0\.0\.1:\d/)
})
