// workerd: the report, and first decisions of new engines, measured from outside, since time stands still
// inside a request.
import { Atrion } from 'atrion'
import { withAtrion } from 'atrion/fetch'
import { check } from './check.mjs'

const stateful = withAtrion(() => new Response('kept'), { route: 'GET /kept', state: (env) => env.STATE })

export default {
  async fetch(request, env, context) {
    const url = new URL(request.url)
    if (url.pathname === '/kept') return stateful(request, env, context)
    if (url.pathname !== '/cold') return Response.json(await check())
    const count = Number(url.searchParams.get('count'))
    for (let i = 0; i < count; i++) new Atrion().route('GET /', { latencyMs: 80 })
    return new Response('done')
  },
}
