// A page of React with a live statistic.
import { reactHook } from 'atrion/devtools'
import * as React from 'react'
import { createRoot } from 'react-dom/client'
import { offer, ROUTE, source } from './panel-tools.mjs'

const useAtrion = reactHook(React, source, { intervalMs: 50 })
const root = createRoot(document.getElementById('app'))
offer(React.version, () => root.unmount())

function Admitted() {
  const stats = useAtrion(ROUTE)
  React.useEffect(() => {
    globalThis.panel.renders += 1
  })
  return React.createElement('b', { id: 'admitted' }, String(stats.admitted))
}
root.render(React.createElement(Admitted))
