// A page of Vue 2.7 or 3 with a live statistic.
import { vueComposable } from 'atrion/devtools'
import * as Vue from 'vue'
import { offer, ROUTE, source } from './panel-tools.mjs'

const useAtrion = vueComposable(Vue, source, { intervalMs: 50 })
const Admitted = {
  setup() {
    const stats = useAtrion(() => ROUTE)
    return () => {
      if (stats.value === undefined) return Vue.h('b', '')
      globalThis.panel.renders += 1
      return Vue.h('b', { [Vue.createApp ? 'id' : 'attrs']: Vue.createApp ? 'admitted' : { id: 'admitted' } }, [
        String(stats.value.admitted),
      ])
    }
  },
}
const target = document.getElementById('app')
if (Vue.createApp) {
  const app = Vue.createApp(Admitted)
  offer(Vue.version, () => app.unmount())
  app.mount(target)
} else {
  const vm = new Vue.default(Admitted)
  offer(Vue.default.version, () => vm.$destroy())
  vm.$mount(target)
}
