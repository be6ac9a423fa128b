// The record of instruction counts: what is written is read again, and a row that takes too much more is worse.
import test from 'ava'
import { compare, parseCounts, recordText } from '../../benches/lib/instructions.mjs'

const FACTS = { date: '2026-01-02', rustc: 'rustc 1.95.0', valgrind: 'valgrind-3.19.0', cpu: 'A "fast" one, 2 cores' }

test('a record is read as it was written, the newest count of each row', (t) => {
  const first = recordText(
    new Map([
      ['tick', 353],
      ['permit', 1445.7],
    ]),
    FACTS,
    true,
  )
  const second = recordText(new Map([['tick', 340.25]]), FACTS, false)
  t.is(first.split('\n')[0], 'date,rustc,valgrind,cpu,row,instructions')
  t.deepEqual(
    [...parseCounts(first + second)],
    [
      ['tick', 340.3],
      ['permit', 1445.7],
    ],
  )
  t.is(parseCounts('').size, 0)
})

test('a row is worse from 3 % more on; one without a record never is', (t) => {
  const record = new Map([
    ['a', 100],
    ['b', 100],
    ['c', 100],
  ])
  const compared = compare(
    new Map([
      ['a', 103],
      ['b', 103.1],
      ['c', 90],
      ['d', 1],
    ]),
    record,
    0.03,
  )
  t.deepEqual(
    compared.map(({ isWorse }) => isWorse),
    [false, true, false, false],
  )
  t.deepEqual(
    compared.map(({ change }) => change),
    ['+3.0', '+3.1', '−10.0', undefined],
  )
})
