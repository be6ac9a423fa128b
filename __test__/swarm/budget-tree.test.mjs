// The tree of budgets against a naive one, which keeps a list of open reservations and adds it up anew for every question.
import test from 'ava'
import fc from '../_random.mjs'
import { sourceOf } from '../_source.mjs'

const { BudgetTree, NONE, SOME } = await sourceOf('swarm/budget.ts')

const UNITS = 3

/** The oracle: limits, what is used, and reservations, each as a plain record. */
class Naive {
  nodes = []
  open = new Map()

  add(parent, limits) {
    this.nodes.push({ parent, limits, used: [0, 0, 0] })
  }

  path(node) {
    const path = []
    for (let at = node; at !== NONE; at = this.nodes[at].parent) path.push(at)
    return path
  }

  held(node, unit) {
    let sum = 0
    for (const one of this.open.values()) if (this.path(one.node).includes(node)) sum += one.amounts[unit]
    return sum
  }

  left(node, unit) {
    return this.nodes[node].limits[unit] - this.nodes[node].used[unit] - this.held(node, unit)
  }

  fits(node, needs) {
    return this.path(node).every((at) =>
      needs.every((need, unit) => need === 0 || this.left(at, unit) >= (need === SOME ? 1 : need)),
    )
  }

  use(node, unit, amount) {
    for (const at of this.path(node)) this.nodes[at].used[unit] += amount
  }
}

const limit = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.constant(Number.POSITIVE_INFINITY))
const needs = fc.tuple(...Array.from({ length: UNITS }, () => fc.integer({ min: SOME, max: 12 })))
const shape = fc.array(fc.record({ parent: fc.nat(), limits: fc.tuple(limit, limit, limit) }), {
  minLength: 1,
  maxLength: 8,
})
const which = fc.nat()
const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('reserve'), node: which, needs }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('extend'), which, needs }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('charge'),
      which,
      unit: fc.nat(UNITS - 1),
      amount: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('settle'), which, counted: fc.integer({ min: 0, max: 7 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('settle again'), which, counted: fc.constant(7) }) },
)

test('limit = used + held + left at every node of any tree after any history, as a naive tree has it', (t) => {
  fc.assert(
    fc.property(shape, fc.array(action, { maxLength: 80 }), (nodes, actions) => {
      const tree = new BudgetTree(1)
      tree.reach(UNITS)
      const naive = new Naive()
      nodes.forEach(({ parent, limits }, i) => {
        const at = i === 0 ? NONE : parent % i
        t.is(tree.addNode(at), i)
        naive.add(at, limits)
        limits.forEach((one, unit) => {
          tree.setLimit(i, unit, one, 1)
        })
      })
      const done = []
      for (const one of actions) {
        const handles = [...naive.open.keys()]
        const handle = handles.length > 0 ? handles[one.which % handles.length] : undefined
        if (one.type === 'reserve') {
          const node = one.node % nodes.length
          const fits = naive.fits(node, one.needs)
          const made = tree.reserve(node, Float64Array.from(one.needs), UNITS)
          t.is(made !== NONE, fits)
          if (fits) naive.open.set(made, { node, amounts: one.needs.map((need) => Math.max(0, need)) })
          else {
            const [by, unit] = [tree.refusedNode, tree.refusedUnit]
            t.true(naive.path(node).includes(by))
            t.true(naive.left(by, unit) < Math.max(1, one.needs[unit]))
          }
        } else if (one.type === 'settle again') {
          if (done.length > 0) t.false(tree.settle(done[one.which % done.length], one.counted))
        } else if (handle !== undefined) {
          const open = naive.open.get(handle)
          if (one.type === 'extend') {
            const fits = naive.fits(open.node, one.needs)
            t.is(tree.extend(handle, Float64Array.from(one.needs), UNITS), fits)
            if (fits) open.amounts = open.amounts.map((amount, unit) => amount + Math.max(0, one.needs[unit]))
          } else if (one.type === 'charge') {
            const over = Math.max(0, one.amount - open.amounts[one.unit])
            const fits = over === 0 || naive.path(open.node).every((at) => naive.left(at, one.unit) >= over)
            t.is(tree.charge(handle, one.unit, one.amount), fits)
            open.amounts[one.unit] -= one.amount - over
            naive.use(open.node, one.unit, one.amount)
          } else {
            t.true(tree.settle(handle, one.counted))
            naive.open.delete(handle)
            open.amounts.forEach((rest, unit) => {
              if ((one.counted >> unit) & 1) naive.use(open.node, unit, rest)
            })
            done.push(handle)
          }
        }
        nodes.forEach((_, node) => {
          for (let unit = 0; unit < UNITS; unit++) {
            t.is(tree.usedOf(node, unit), naive.nodes[node].used[unit])
            t.is(tree.heldOf(node, unit), naive.held(node, unit))
            t.is(tree.leftOf(node, unit), naive.left(node, unit))
          }
        })
        t.is(tree.open, naive.open.size)
      }
    }),
    { numRuns: 300 },
  )
})

test('a handle is good for one settlement, also when its slot is in use again', (t) => {
  const tree = new BudgetTree(1)
  const root = tree.addNode(NONE)
  tree.setLimit(root, 0, 10, 1)
  const first = tree.reserve(root, Float64Array.of(4), 1)
  t.true(tree.settle(first, 0))
  const second = tree.reserve(root, Float64Array.of(5), 1)
  t.not(first, second)
  t.false(tree.settle(first, 1))
  t.is(tree.heldBy(first, 0), 0)
  t.true(tree.charge(first, 0, 3))
  t.deepEqual([tree.usedOf(root, 0), tree.heldOf(root, 0), tree.heldBy(second, 0)], [0, 5, 5])
})

test('memory grows with what is open at once, and not with what was', (t) => {
  const tree = new BudgetTree(1)
  const root = tree.addNode(NONE)
  tree.setLimit(root, 0, 2 ** 50, 1)
  const need = Float64Array.of(1)
  const slots = new Set()
  for (let i = 0; i < 200_000; i++) {
    const handle = tree.reserve(root, need, 1)
    slots.add(handle % 2 ** 24)
    tree.settle(handle, 1)
  }
  t.is(slots.size, 1)
  t.is(tree.usedOf(root, 0), 200_000)
  t.is(tree.open, 0)
})

test('nodes that are removed make room for others, which begin at nothing', (t) => {
  const tree = new BudgetTree(1)
  const root = tree.addNode(NONE)
  tree.setLimit(root, 0, 100, 1)
  const ids = new Set()
  for (let i = 0; i < 1000; i++) {
    const child = tree.addNode(root)
    ids.add(child)
    t.is(tree.limitOf(child, 0), Number.POSITIVE_INFINITY)
    t.is(tree.usedOf(child, 0), 0)
    tree.setLimit(child, 0, 1, 1)
    tree.amend(child, 0, 0)
    tree.removeNode(child)
  }
  t.is(ids.size, 1)
})

test('a soft limit is crossed once', (t) => {
  const tree = new BudgetTree(2)
  const root = tree.addNode(NONE)
  const child = tree.addNode(root)
  tree.setLimit(root, 1, 10, 0.8)
  tree.setLimit(child, 1, 5, 0.8)
  const handle = tree.reserve(child, Float64Array.of(0, 5), 2)
  tree.charge(handle, 1, 3)
  t.deepEqual(tree.crossed, [])
  tree.charge(handle, 1, 1)
  t.deepEqual(tree.crossed.splice(0), [child, 1])
  tree.charge(handle, 1, 1)
  tree.amend(child, 1, 3)
  t.deepEqual(tree.crossed.splice(0), [root, 1])
})
