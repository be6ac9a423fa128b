/** Leases on long-running tasks. */
import assert from 'node:assert/strict'
import { Atrion, type LeaseOutcome, type TaskLease } from 'atrion'

async function work(): Promise<void> {
  const atrion = new Atrion({ engine: 'ts' })
  const abortController = new AbortController()
  const lease: TaskLease = await atrion.startTask('reports', {
    profile: 'HEAVY',
    timeout: 60_000,
    abortController,
    metadata: { report: 7 },
  })
  const id: string = lease.id
  const times: number[] = [lease.startedAt, lease.expiresAt, lease.remainingMs()]
  assert.match(id, /^lease-/)
  assert.ok(times.every(Number.isFinite))
  assert.deepEqual([lease.routeId, lease.profile, lease.isActive], ['reports', 'HEAVY', true])
  lease.heartbeat()
  lease.heartbeat({ progress: 0.5, memoryBytes: 1 << 20, status: 'halfway' })
  assert.equal(atrion.getActiveTaskCount('reports'), 1)
  const endings: LeaseOutcome[] = ['completed', 'failed', 'timeout', 'aborted']
  await lease.release(endings[0])
  await lease.release()
  assert.equal(atrion.getActiveTaskCount('reports'), 0)
  assert.throws(() => lease.heartbeat())
  // @ts-expect-error an ending that there is not
  const impossible: LeaseOutcome = 'vanished'
  assert.ok(impossible)
}

void work()
