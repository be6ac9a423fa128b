// The provider for the processes of one machine keeps what a provider promises, as the hub and as one that is joined to it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MachineStateProvider } from 'atrion'
import { testProvider } from 'atrion/testing'
import test from 'ava'

const path = mkdtempSync(join(tmpdir(), 'atrion-machine-'))
test.after.always(() => rmSync(path, { recursive: true, force: true }))

// Nothing is kept when the last one has left.
const keeper = new MachineStateProvider({ path, name: 'shared' })
test.before(() => keeper.connect())
test.after.always(() => keeper.disconnect())
// One after the other: all of them at once would be a hundred processes' work on the one loop that the hub is on.
testProvider(test.serial, () => new MachineStateProvider({ path, name: 'shared' }), {
  title: 'joined',
  durable: false,
  timeoutMs: 60_000,
})

let alone = 0
testProvider(test, () => new MachineStateProvider({ path, name: `alone ${alone++}` }), {
  title: 'the hub',
  shared: false,
  durable: false,
  timeoutMs: 60_000,
})
