// The count that `npm test` ends with: what the runners reported, and nothing else.
import test from 'ava'
import {
  CargoCounter,
  SumCounter,
  sumOf,
  TapCounter,
  tableOf,
  verdictOf,
  verdictOfCheck,
} from '../../scripts/lib/tally.mjs'

const reading = (counter, text) => {
  for (const line of text.split('\n')) counter.take(line)
  return counter
}

const TAP = `TAP version 13
ok 1 - a › flows
not ok 2 - a › sheds
  ---
    message: ok 3 - what a diagnosis says is no result
  ...
ok 3 - a › heals # SKIP
ok 4 - a › one day # TODO
ok 5 - okay

1..5
# pass 2
# fail 1`

test('TAP: results count, diagnostics and summaries do not, skipped is not passed', (t) => {
  const { passed, failed, skipped, truncated } = reading(new TapCounter(), TAP)
  t.deepEqual({ passed, failed, skipped, truncated }, { passed: 2, failed: 1, skipped: 2, truncated: false })
})

test('TAP: take() tells the line that begins a failure', (t) => {
  const counter = new TapCounter()
  t.deepEqual(
    TAP.split('\n').filter((line) => counter.take(line)),
    ['not ok 2 - a › sheds'],
  )
})

test('TAP: fewer results than announced, or no announcement, is a truncated run', (t) => {
  t.true(reading(new TapCounter(), 'ok 1 - a').truncated)
  t.true(reading(new TapCounter(), 'ok 1 - a\n1..2').truncated)
  t.false(reading(new TapCounter(), 'ok 1 - a\nok 2 - b\n1..2').truncated)
})

test('cargo: every test binary and the doc tests add up', (t) => {
  const { passed, failed, skipped } = reading(
    new CargoCounter(),
    `running 2 tests
test a ... ok
test b ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.00s`,
  )
  t.deepEqual({ passed, failed, skipped }, { passed: 41, failed: 1, skipped: 2 })
})

test('a runner that ran nothing, broke, or stopped early has failed', (t) => {
  const cargo = (text, code) => verdictOf('cargo', reading(new CargoCounter(), text), code)
  t.is(cargo('', 0).failed, 1, 'nothing ran')
  t.is(cargo('error: could not compile', 101).failed, 1, 'it did not even start')
  const fine = 'test result: ok. 3 passed; 0 failed; 0 ignored;'
  t.is(cargo(fine, 0).failed, 0)
  t.is(cargo(fine, 1).failed, 1, 'it says that something is wrong: believe it')
  t.is(cargo(fine, 1).passed, 3)
  t.is(
    cargo('test result: FAILED. 1 passed; 2 failed; 0 ignored;', 101).failed,
    2,
    'named failures are not counted twice',
  )
  t.is(verdictOf('ava', reading(new TapCounter(), 'ok 1 - a\n1..9'), 0).failed, 1, 'it stopped early')
})

test('sums and rows', (t) => {
  const verdicts = [
    verdictOfCheck('lint', 0),
    verdictOfCheck('types', 2, 'see above'),
    { name: 'ava', passed: 7, failed: 1, skipped: 3 },
  ]
  t.deepEqual(sumOf(verdicts), { passed: 8, failed: 2 })
  const rows = tableOf(verdicts)
  t.regex(rows[0], /^ ok {3}lint {4}1 passed {4}0 failed$|^ ok +lint +1 passed +0 failed$/)
  t.regex(rows[1], /^FAIL +types +0 passed +1 failed +\(see above\)$/)
  t.regex(rows[2], /^FAIL +ava +7 passed +1 failed +\(3 skipped\)$/)
})

test('a script that counts for itself is believed, and one that does not come to its count is not', (t) => {
  const counter = reading(new SumCounter(), ' ok   deno  1 passed    0 failed\n\n9 passed, 1 failed')
  t.like(verdictOf('edge', counter, 1), { passed: 9, failed: 1 })
  t.like(verdictOf('edge', new SumCounter(), 0), { failed: 1, note: 'ran nothing' })
  t.like(verdictOf('edge', reading(new SumCounter(), 'Error: no network'), 1), { passed: 0, failed: 1 })
})
