// The parts that the pages of all frameworks have alike: an instance of their own, the devtools, and what the test asks of them.
import { TanStackDevtoolsCore } from '@tanstack/devtools'
import { addCustomTab } from '@vue/devtools-api'
import { Atrion } from 'atrion'
import { addVueTab, tanstackPlugin } from 'atrion/devtools'
import { guardFetch } from 'atrion/fetch'

const ROUTE = 'GET /client'
const real = new Atrion()

/** The instance as the hooks see it, which counts their samples. */
export const source = {
  calls: 0,
  stats(route) {
    this.calls += 1
    return real.stats(route)
  },
}

export { ROUTE }

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Offers the page to the test. @param unmount ends the components */
export const offer = (version, unmount) => {
  globalThis.panel = {
    version,
    renders: 0,
    admit: (count) => {
      for (let i = 0; i < count; i++) real.acquire(ROUTE).release('success')
    },
    end: async () => {
      await unmount()
      const before = source.calls
      await pause(300)
      return { before, after: source.calls }
    },
    tools: (src) => {
      const core = new TanStackDevtoolsCore({
        config: { defaultOpen: true, openHotkey: [] },
        plugins: [{ ...tanstackPlugin({ src }), defaultOpen: true }],
      })
      core.mount(document.getElementById('tools'))
    },
    guard: async () => {
      const guarded = guardFetch(real)
      const { status } = await guarded('/busy')
      const { code, routeId } = await guarded('/busy').catch((error) => error)
      return `${status} ${code} ${routeId === location.origin}`
    },
    vueTab: (src) => {
      addVueTab(addCustomTab, { src })
      const { title, view } = globalThis.__VUE_DEVTOOLS_KIT_CUSTOM_TABS__.find(({ name }) => name === 'atrion')
      return `${title} ${view.type}`
    },
  }
}
