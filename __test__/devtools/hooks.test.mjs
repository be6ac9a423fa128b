// The hooks in the real frameworks, without a document: React and Vue on a server, Vue 2.7 and 3 in a scope.
import { isConfigError } from 'atrion'
import { reactHook, vueComposable } from 'atrion/hooks'
import test from 'ava'
import * as React from 'react'
import { renderToString } from 'react-dom/server'
import * as Vue3 from 'vue'
import { renderToString as renderVue } from 'vue/server-renderer'
import * as Vue27 from 'vue27'
import { create } from '../_engine.mjs'

/** A component that shows the type of what a hook returns. */
const TypeOf = ({ useAtrion }) => React.createElement('b', null, typeof useAtrion('GET /a'))

const VUES = { 'Vue 2.7': Vue27, 'Vue 3': Vue3 }

/** Resolves when the value of a ref holds. */
const until = (vue, ref, holds) =>
  new Promise((resolve) => {
    if (holds(ref.value)) return resolve(ref.value)
    const stop = vue.watch(
      ref,
      (value) => {
        if (!holds(value)) return
        stop()
        resolve(value)
      },
      { flush: 'sync' },
    )
  })

/** The active timers of this process, by their kind. */
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

for (const [name, vue] of Object.entries(VUES)) {
  test.serial(`${name}: a ref follows the statistics of a route, and its route`, async (t) => {
    const atrion = create()
    const useAtrion = vueComposable(vue, atrion, { intervalMs: 50 })
    const keepsAlive = setInterval(() => {}, 1_000)
    const scope = vue.effectScope()
    const route = vue.ref('GET /a')
    const stats = scope.run(() => useAtrion(route))
    t.is(stats.value.admitted, 0)
    for (let i = 0; i < 3; i++) atrion.acquire('GET /a').release('success')
    t.is((await until(vue, stats, (value) => value.admitted === 3)).admitted, 3)
    route.value = 'GET /b'
    await until(vue, stats, (value) => value.admitted === 0)
    atrion.acquire('GET /b').release('success')
    await until(vue, stats, (value) => value.admitted === 1)
    scope.stop()
    clearInterval(keepsAlive)
    t.is(stats.value.admitted, 1)
  })
}

test.serial('one timer for all hooks of an instance, from the first to the last, which keeps no process alive', (t) => {
  const atrion = create()
  const before = timers()
  const real = globalThis.setInterval
  const made = []
  globalThis.setInterval = (...args) => {
    made.push(real(...args))
    return made.at(-1)
  }
  t.teardown(() => {
    globalThis.setInterval = real
  })
  const scopes = Object.values(VUES).flatMap((vue) =>
    ['GET /a', 'GET /a', 'GET /b'].map((route) => {
      const scope = vue.effectScope()
      scope.run(() => vueComposable(vue, atrion)(route))
      return scope
    }),
  )
  t.is(made.length, 1)
  t.false(made[0].hasRef())
  t.is(timers(), before, 'no timer that keeps the process alive')
  for (const scope of scopes) scope.stop()
  t.true(made[0]._destroyed)
  const again = Vue3.effectScope()
  again.run(() => vueComposable(Vue3, atrion)('GET /a'))
  t.is(made.length, 2, 'the next one starts it again')
  again.stop()
  t.true(made[1]._destroyed)
})

test('on a server a hook of React is undefined and reads nothing', (t) => {
  const read = []
  const atrion = create()
  const useAtrion = reactHook(React, { stats: (route) => read.push(route) && atrion.stats(route) })
  t.is(renderToString(React.createElement(TypeOf, { useAtrion })), '<b>undefined</b>')
  t.deepEqual(read, [])
})

test('on a server a composable of Vue is undefined and starts nothing', async (t) => {
  const read = []
  const atrion = create()
  const useAtrion = vueComposable(Vue3, { stats: (route) => read.push(route) && atrion.stats(route) })
  const Load = {
    setup() {
      const stats = useAtrion('GET /a')
      return () => Vue3.h('b', typeof stats.value)
    },
  }
  t.is(await renderVue(Vue3.createSSRApp(Load)), '<b>undefined</b>')
  t.deepEqual(read, [])
})

test('a framework without the functions, an instance that is none and an interval out of its range are errors', (t) => {
  const atrion = create()
  for (const [make, field] of [
    [() => reactHook({}, atrion), 'react.useCallback'],
    [() => reactHook(undefined, atrion), 'react.useCallback'],
    [() => vueComposable({ shallowRef() {} }, atrion), 'vue.unref'],
    [() => reactHook(React, {}), 'atrion'],
    [() => reactHook(React, undefined), 'atrion'],
    [() => reactHook(React, atrion, { intervalMs: 49 }), 'intervalMs'],
    [() => reactHook(React, atrion, { intervalMs: Number.NaN }), 'intervalMs'],
    [() => reactHook(React, atrion, { intervalMs: '1000' }), 'intervalMs'],
    [() => vueComposable(Vue3, atrion, { intervalMs: 60_001 }), 'intervalMs'],
    [() => vueComposable(Vue3, atrion, { interval: 100 }), 'interval'],
    [() => vueComposable(Vue3, atrion, null), 'options'],
  ]) {
    const error = t.throws(make, undefined, field)
    t.true(isConfigError(error), field)
    t.is(error.field, field)
  }
})
