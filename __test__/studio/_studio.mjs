// Studio's tests: a viewer of its stream over a real socket, and servers of every framework behind a guard.
import http from 'node:http'
import { close, listen } from '../_adapters.mjs'
import { PATIENCE_MS } from '../_patience.mjs'

/** Reads server-sent events; `chunk` takes text as it comes. */
export const eventReader = () => {
  const events = []
  const waiting = new Set()
  let text = ''
  const look = () => {
    for (const one of waiting) one()
  }
  return {
    events,
    comments: 0,
    chunk(more) {
      text += more
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const event = {}
        for (const line of text.slice(0, end).split('\n')) {
          const [, name, value] = /^([a-z]*): ?(.*)$/.exec(line) ?? []
          if (name) event[name] = value
        }
        text = text.slice(end + 2)
        if (event.data !== undefined) events.push({ ...event, data: JSON.parse(event.data) })
      }
      look()
    },
    end() {
      this.ended = true
      look()
    },
    /** Resolves to the first event that `holds` says of, those that came before among them. */
    next(holds, what = String(holds)) {
      return new Promise((resolve, reject) => {
        const done = (settle, value) => {
          clearTimeout(timer)
          waiting.delete(one)
          settle(value)
        }
        const timer = setTimeout(() => done(reject, new Error(`never: ${what}`)), PATIENCE_MS)
        const one = () => {
          const found = events.find(holds)
          if (found !== undefined) done(resolve, found)
          else if (this.ended) done(reject, new Error(`ended before: ${what}`))
        }
        waiting.add(one)
        one()
      })
    },
    /** The state as a page puts it together. */
    get state() {
      let state = {}
      for (const { event, data } of events) {
        if (event === 'snapshot') state = { ...data }
        else if (event === 'delta') Object.assign(state, data)
      }
      return state
    },
    /** Resolves to the state when `holds` says of it. */
    async until(holds) {
      await this.next(() => holds(this.state), String(holds))
      return this.state
    },
  }
}

/** Opens a stream of Studio's; resolves when its head is there. */
export const view = (server, path = '/atrion/events', headers = {}) =>
  new Promise((resolve, reject) => {
    const request = http.get({ port: server.address().port, host: '127.0.0.1', path, headers, agent: false })
    request.once('error', reject)
    request.once('response', (response) => {
      request.removeListener('error', reject).on('error', () => {})
      const reader = eventReader()
      response.setEncoding('utf8').on('data', (more) => reader.chunk(more))
      response.on('close', () => reader.end())
      response.on('error', () => {})
      resolve(
        Object.assign(reader, {
          status: response.statusCode,
          headers: response.headers,
          close: () => request.destroy(),
        }),
      )
    })
  })

/** Asks for a change as the page does; resolves to { status, body }. */
export const act = (server, token, action, { path = '/atrion/act', headers = {} } = {}) =>
  new Promise((resolve, reject) => {
    const { port } = server.address()
    const given = {
      origin: `http://127.0.0.1:${port}`,
      'content-type': 'application/json',
      'x-atrion-token': token,
      ...headers,
    }
    const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const request = http.request({ port, host: '127.0.0.1', path, method: 'POST', headers: known, agent: false })
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (more) => {
        text += more
      })
      response.on('end', () => {
        let body = text
        try {
          body = JSON.parse(text)
        } catch {}
        resolve({ status: response.statusCode, body })
      })
    })
    request.end(typeof action === 'string' ? action : JSON.stringify(action))
  })

/** A server of nothing but Studio. */
export const serve = async (t, studio) => {
  const server = await listen(http.createServer(studio))
  t.teardown(async () => {
    studio.close()
    await close(server)
  })
  return server
}

/** Resolves to the token and the key of a route, as a viewer gets them. */
export const writerOf = async (t, server) => {
  const viewer = await view(server)
  t.teardown(viewer.close)
  const { data } = await viewer.next(({ event }) => event === 'hello')
  return { viewer, token: data.token, hello: data }
}

/** The key of a route by its name. */
export const keyOf = async (viewer, name) => {
  const state = await viewer.until((sections) => Object.values(sections).some((row) => row?.name === name && row.key))
  return Object.values(state).find((row) => row?.name === name && row.key).key
}
