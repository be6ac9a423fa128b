/** The forms of operators: orders that lapse, dry runs, settings with a preview, notes. Each asks before it changes anything. */

import type { Action } from '../protocol.js'
import { byId, h } from './dom.js'

export interface Act {
  act(action: Action): Promise<void>
  preview(key: string | null, changes: Readonly<Record<string, number>>): Promise<readonly string[]>
}

const SPANS: readonly (readonly [string, number])[] = [
  ['1 minute', 60],
  ['10 minutes', 600],
  ['1 hour', 3_600],
  ['8 hours', 28_800],
]

/** Settings and their units. */
const SETTINGS: Readonly<Record<string, string>> = {
  'slo.maxAcceptableLatencyMs': 'deadline, ms',
  'limits.max': 'limit at most, requests',
  'limits.min': 'limit at least, requests',
  'limits.initial': 'limit at first, requests',
  'slo.baselineLatencyMs': 'usual latency, ms',
  'slo.targetErrorRate': 'usual error rate, 0 to 1',
  baseResistance: 'R of a calm route, Ω',
  breakMultiplier: 'break point over R of a calm route',
  decayRate: 'decay of the scar, 1/s',
  scarFactor: 'scar per trauma, Ω',
  criticalPressure: 'pressure of a trauma',
}

/** Asks in a dialog. Resolves to whether it is to be done. */
export function confirm(title: string, text: string, yes: string): Promise<boolean> {
  const dialog = byId<HTMLDialogElement>('dialog')
  return new Promise((resolve) => {
    const end = (answer: boolean) => (): void => {
      dialog.onclose = null
      dialog.close()
      resolve(answer)
    }
    dialog.replaceChildren(
      h('h2', { id: 'h-dialog' }, title),
      h('pre', {}, text),
      h(
        'div',
        { class: 'row' },
        h('button', { type: 'button', class: 'main', on: end(true) }, yes),
        h('button', { type: 'button', on: end(false) }, 'Cancel'),
      ),
    )
    dialog.onclose = end(false)
    dialog.showModal()
  })
}

const spanSelect = (): HTMLSelectElement => {
  const select = h('select')
  for (const [text, seconds] of SPANS)
    select.append(h('option', { value: String(seconds), selected: seconds === 600 }, text))
  return select
}

const spanIn = (select: HTMLSelectElement): string => select.selectedOptions[0]?.textContent ?? ''

export function overrideForm(key: string, may: Act): HTMLElement {
  const span = spanSelect()
  const order = (to: 'open' | 'closed', what: string) => async (): Promise<void> => {
    const text = `${what}, for ${spanIn(span)}. It then lapses by itself, and may be undone before.`
    if (await confirm('Give this order?', text, what))
      await may.act({ kind: 'override', key, order: to, forS: Number(span.value) })
  }
  return h(
    'div',
    { class: 'row', role: 'group', 'aria-label': 'Order' },
    h('label', {}, 'For', span),
    h('button', { type: 'button', on: order('open', 'Refuse everything') }, 'Refuse everything'),
    h('button', { type: 'button', on: order('closed', 'Admit everything') }, 'Admit everything'),
    h(
      'button',
      { type: 'button', on: () => void may.act({ kind: 'override', key, order: null, forS: 0 }) },
      'Lift the order',
    ),
  )
}

/** @param key the route; null: all routes that were not given their own */
export function configureForm(key: string | null, may: Act): HTMLElement {
  const setting = h('select')
  for (const [path, text] of Object.entries(SETTINGS)) setting.append(h('option', { value: path }, text))
  const value = h('input', { type: 'number', step: 'any', required: true })
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    const changes = { [setting.value]: Number(value.value) }
    const differences = await may.preview(key, changes)
    if (differences.length === 0) return
    const where = key === null ? 'All routes without settings of their own' : 'This route'
    if (await confirm('Change the settings?', `${where}:\n${differences.join('\n')}`, 'Change')) {
      await may.act({ kind: 'configure', key, changes })
    }
  }
  return h(
    'form',
    { class: 'row', on: (event) => void submit(event), 'aria-label': 'Settings' },
    h('label', {}, 'Set', setting),
    h('label', {}, 'to', value),
    h('button', { type: 'submit' }, 'Preview…'),
  )
}

export function dryRunForm(isOn: () => boolean, may: Act): HTMLElement {
  const span = spanSelect()
  const turn = (on: boolean) => async (): Promise<void> => {
    const text = on
      ? `Every request is admitted for ${spanIn(span)}, whatever is decided; decisions are still counted. It then lapses by itself.`
      : 'Decisions count again at once.'
    if (on === isOn() || !(await confirm(on ? 'Dry run on?' : 'Dry run off?', text, on ? 'Dry run' : 'Decide again')))
      return
    await may.act({ kind: 'dryRun', on, forS: Number(span.value) })
  }
  return h(
    'div',
    { class: 'row', role: 'group', 'aria-label': 'Dry run' },
    h('label', {}, 'For', span),
    h('button', { type: 'button', on: turn(true) }, 'Dry run of all routes'),
    h('button', { type: 'button', on: turn(false) }, 'Decide again'),
  )
}

export function noteForm(may: Act): HTMLElement {
  const text = h('input', { type: 'text', maxlength: '280', required: true, size: '32' })
  const submit = (event: Event): void => {
    event.preventDefault()
    void may.act({ kind: 'note', text: text.value }).then(() => {
      text.value = ''
    })
  }
  return h(
    'form',
    { class: 'row', on: submit, 'aria-label': 'Note' },
    h('label', {}, 'Note', text),
    h('button', { type: 'submit' }, 'Add'),
  )
}
