// Texts of others in Studio: of patches and bans that anything which can write to the store made up, of operators, of clients. They are data on one
// line, and the token is in no address.
import { InMemoryProvider } from 'atrion'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { ask } from '../_adapters.mjs'
import { create } from '../_engine.mjs'
import { act, keyOf, serve, writerOf } from './_studio.mjs'

const SCRIPT = '</script><script>alert(1)</script><img src=x onerror=alert(1)>'
const CONTROLS = '\u001b[2J\u202e\u2028\n\ndata: {"forged":1}\n\nevent: hello\n'
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

test('authors, reasons and paths of patches, and what a writer to the store made up, are text on one line', async (t) => {
  const provider = new InMemoryProvider()
  const nowMs = Date.now()
  const trail = Array.from({ length: 3 }, (_, i) => ({
    ...{ version: nowMs - i, atMs: nowMs - i, paths: [`${SCRIPT}${CONTROLS}`, 'x'.repeat(1e5)], state: 'applied' },
    ...{ author: SCRIPT + CONTROLS, reason: CONTROLS + SCRIPT, node: CONTROLS },
  }))
  const layer = {
    format: 1,
    version: nowMs,
    settled: { routes: { [SCRIPT]: { limits: { max: 7 } } } },
    origins: {},
    standing: [],
    trail,
  }
  await provider.writeDocument('atrion/config', 0, JSON.stringify(layer))
  const atrion = create({ provider })
  await atrion.connect()
  t.teardown(() => atrion.disconnect())
  while (atrion.config.version !== nowMs) await new Promise((resolve) => setTimeout(resolve, 2))
  const server = await serve(t, atrionStudio(atrion, { authorize: () => ({ role: 'write', name: SCRIPT + CONTROLS }) }))
  const { viewer, token } = await writerOf(t, server)
  await viewer.until(({ audit }) => audit.length === 3)
  await atrion.patch({
    ...{ base: atrion.config.version, author: SCRIPT.slice(0, 50), reason: SCRIPT + CONTROLS },
    changes: { routes: { [SCRIPT + CONTROLS]: { limits: { max: 8 } } } },
  })
  atrion.ban(SCRIPT + CONTROLS, { reason: SCRIPT + CONTROLS })
  t.is((await act(server, token, { kind: 'note', text: SCRIPT + CONTROLS })).status, 200)
  const { audit, changes } = await viewer.until((sections) => sections.audit.length === 6)
  for (const { by, text } of audit) {
    t.notRegex(by + text, UNPRINTABLE)
    t.true(by.length <= 400 && text.length <= 2_000, `${text.length}`)
  }
  for (const { text } of changes ?? []) t.notRegex(text, UNPRINTABLE)
  t.false(viewer.events.some(({ data }) => data?.forged === 1))
  t.is(viewer.events.filter(({ event }) => event === 'hello').length, 1)
  t.false(JSON.stringify(audit).includes('evil-key'))
})

test('the page makes no HTML of text, and the token of changes is in no address, no cookie and no answer to a reader', async (t) => {
  const atrion = create()
  atrion.route('GET /a', { latencyMs: 1 })
  let role = 'write'
  const server = await serve(t, atrionStudio(atrion, { authorize: () => role }))
  const { viewer, token } = await writerOf(t, server)
  const key = await keyOf(viewer, 'GET /a')
  const { body, headers } = await ask(server, '/atrion')
  t.notRegex(body, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function\(|srcdoc/)
  t.false(body.includes(token))
  t.is(headers['set-cookie'], undefined)
  t.regex(headers['referrer-policy'], /no-referrer/)
  const action = { kind: 'override', key, order: 'open', forS: 60 }
  for (const [path, more] of [
    [`/atrion/act?token=${token}`, { 'x-atrion-token': undefined }],
    [`/atrion/act?x-atrion-token=${token}`, { 'x-atrion-token': '' }],
    ['/atrion/act', { 'x-atrion-token': undefined, cookie: `x-atrion-token=${token}` }],
    ['/atrion/act', { 'x-atrion-token': token.slice(0, -1) }],
    ['/atrion/act', { 'x-atrion-token': `${token}x` }],
    ['/atrion/act', { 'x-atrion-token': `${token}, ${token}` }],
    ['/atrion/act', { origin: 'http://evil.test' }],
    ['/atrion/act', { origin: 'null' }],
    ['/atrion/act', { origin: undefined }],
    ['/atrion/act', { 'content-type': 'text/plain' }],
    ['/atrion/act', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['/atrion/act', { 'sec-fetch-site': 'same-site' }],
  ]) {
    const { status, body: answer } = await act(server, token, action, { path, headers: more })
    t.true(status === 403 || status === 415, `${path} ${JSON.stringify(more)}: ${status}`)
    t.false(JSON.stringify(answer).includes(token))
  }
  // A name that is rebound to this machine: the Origin is that of the Host, and so of another page.
  const rebound = { host: 'evil.test', origin: 'http://evil.test', 'x-atrion-token': 'guessed' }
  t.is((await act(server, token, action, { headers: rebound })).status, 403)
  t.is([...atrion.metrics()].find(({ routeId }) => routeId === 'GET /a').order, undefined)
  role = 'read'
  const reader = await writerOf(t, server)
  t.is(reader.token, null)
  t.is((await act(server, token, action)).status, 403)
})
