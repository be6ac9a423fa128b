// Studio in a frame: by the origins that are named, the page alone, and by default nowhere.
import { isConfigError } from 'atrion'
import { atrionStudio } from 'atrion/studio'
import test from 'ava'
import { ask } from '../_adapters.mjs'
import { create } from '../_engine.mjs'
import { serve } from './_studio.mjs'

const ORIGIN = 'http://localhost:5173'
const FRAMING = { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }

test('the page alone is framed, by the origins that are named', async (t) => {
  const server = await serve(t, atrionStudio(create(), { frameAncestors: ['self', ORIGIN, 'https://[::1]:8443'] }))
  for (const site of ['same-site', 'cross-site', 'same-origin']) {
    const page = await ask(server, '/atrion', { headers: { ...FRAMING, 'sec-fetch-site': site } })
    t.is(page.status, 200, site)
    const policy = page.headers['content-security-policy']
    t.true(policy.split('; ').includes(`frame-ancestors 'self' ${ORIGIN} https://[::1]:8443`), policy)
    t.is(page.headers['x-frame-options'], undefined)
    t.regex(policy, /require-trusted-types-for 'script'/)
  }
  for (const path of ['/atrion/history', '/atrion/none']) {
    const { headers } = await ask(server, path)
    t.regex(headers['content-security-policy'], /frame-ancestors 'none'/, path)
    t.is(headers['x-frame-options'], 'DENY', path)
  }
})

test('a page that may be framed gives another site no data, no window and no subresource', async (t) => {
  const server = await serve(t, atrionStudio(create(), { frameAncestors: [ORIGIN] }))
  for (const path of ['/atrion/events', '/atrion/history']) {
    t.is((await ask(server, path, { headers: FRAMING })).status, 403, path)
  }
  for (const headers of [
    { ...FRAMING, 'sec-fetch-dest': 'document' },
    { ...FRAMING, 'sec-fetch-dest': 'embed' },
    { ...FRAMING, 'sec-fetch-dest': 'script', 'sec-fetch-mode': 'no-cors' },
    { ...FRAMING, 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' },
    { ...FRAMING, host: 'evil.test' },
    { ...FRAMING, 'x-forwarded-for': '127.0.0.1' },
  ]) {
    t.is((await ask(server, '/atrion', { headers })).status, 403, JSON.stringify(headers))
  }
})

test('without frameAncestors a frame of another origin is refused, and the page forbids any', async (t) => {
  for (const options of [{}, { frameAncestors: [] }]) {
    const server = await serve(t, atrionStudio(create(), options))
    t.is((await ask(server, '/atrion', { headers: FRAMING })).status, 403)
    const page = await ask(server, '/atrion')
    t.regex(page.headers['content-security-policy'], /frame-ancestors 'none'/)
    t.is(page.headers['x-frame-options'], 'DENY')
  }
})

test('an ancestor that is no origin is refused: none may write into the policy', (t) => {
  for (const one of [
    '*',
    'http://*',
    'https://*.example.com',
    "'none'",
    "'self'",
    'localhost:5173',
    'http://a/',
    'http://a/path',
    'http://a;script-src *',
    'http://a, http://b',
    'http://a http://b',
    'http://a\n',
    'data:',
    'file://',
    'http://user@a',
    '',
    1,
    null,
  ]) {
    const error = t.throws(() => atrionStudio(create(), { frameAncestors: [one] }), undefined, String(one))
    t.true(isConfigError(error), String(one))
    t.is(error.field, 'frameAncestors')
  }
  for (const all of [ORIGIN, {}, new Array(33).fill(ORIGIN)]) {
    t.is(t.throws(() => atrionStudio(create(), { frameAncestors: all })).field, 'frameAncestors')
  }
})
