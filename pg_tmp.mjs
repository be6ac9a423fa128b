import { readFileSync } from 'node:fs'
import { PostgresStateProvider } from 'atrion'
import pg from 'pg'
import { PostgresServer } from './__test__/_postgres/server.mjs'

const server = await PostgresServer.start()
const cpuMs = (pid) => {
  const [u, s] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13)
  return (Number(u) + Number(s)) * 10
}
const ROUTES = 10000,
  ROUNDS = 60
const variants = process.argv.slice(2)
const V = {
  base: [],
  inline: ['alter table "public"."T" set (toast_tuple_target = 8160)'],
  inline_main: [
    'alter table "public"."T" alter column body set storage main',
    'alter table "public"."T" set (toast_tuple_target = 8160)',
  ],
  noidx: ['drop index "public"."T_stamp"'],
  inline_noidx: ['drop index "public"."T_stamp"', 'alter table "public"."T" set (toast_tuple_target = 8160)'],
  lz4: [
    'alter table "public"."T" alter column body set storage main',
    'alter table "public"."T" alter column body set compression lz4',
  ],
  ff100: ['alter table "public"."T" set (fillfactor=100)'],
}
for (let rep = 0; rep < 2; rep++)
  for (const name of variants.length ? variants : Object.keys(V)) {
    const client = new pg.Client(server.connection)
    client.on('error', () => {})
    await client.connect()
    const times = []
    let bytes = 0
    const query = async (text, values) => {
      const t = performance.now()
      const r = await client.query(text, values)
      if (values && text.includes('insert into')) {
        times.push(performance.now() - t)
        bytes = values.reduce((s, v) => s + v.length, 0)
      }
      return r
    }
    const table = `t_${name}_${rep}`
    const provider = new PostgresStateProvider({ query }, { table })
    await provider.connect()
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const sch = (await client.query(`select schemaname from pg_tables where tablename='${table}'`)).rows[0].schemaname
    for (const sql of V[name])
      await client.query(
        sql
          .replaceAll('"public"', `"${sch}"`)
          .replaceAll('"T"', `"${table}"`)
          .replaceAll('"T_stamp"', `"${table}_stamp"`),
      )
    const wal0 = (await client.query('select pg_current_wal_lsn() as l')).rows[0].l
    let c0, n0
    let tick = 0
    for (let round = 0; round < ROUNDS; round++) {
      if (round === 10) {
        c0 = cpuMs(rows[0].pid)
        n0 = process.cpuUsage()
      }
      tick++
      await Promise.all(
        Array.from({ length: ROUTES }, (_, n) =>
          provider.updateVector(`GET /api/items/${n}`, {
            scar: Math.random() * 100,
            momentumScalar: Math.random() / 100,
            lastTick: tick,
            resistance: 10 + Math.random() * 100,
          }),
        ),
      )
    }
    const c = (cpuMs(rows[0].pid) - c0) / (ROUNDS - 10)
    const n = process.cpuUsage(n0)
    const wal = (
      await client.query(
        `select pg_wal_lsn_diff(pg_current_wal_lsn(),'${wal0}') as d, pg_total_relation_size('"${sch}"."${table}"') as s`,
      )
    ).rows[0]
    times.sort((a, b) => a - b)
    console.log(
      name,
      'server CPU',
      c.toFixed(1),
      'ms; node CPU',
      ((n.user + n.system) / 1000 / (ROUNDS - 10)).toFixed(1),
      'ms; write median',
      times[times.length >> 1].toFixed(1),
      'min',
      times[2].toFixed(1),
      'WAL/batch MB',
      (wal.d / ROUNDS / 1e6).toFixed(2),
      'size MB',
      (wal.s / 1e6).toFixed(1),
      'bytes',
      bytes,
    )
    await provider.disconnect()
    await client.end()
  }
await server.stop()
