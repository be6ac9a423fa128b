// Real servers for the tests, each in a process of its own on a free loopback port: single, behind TLS and an ACL, a cluster
// of three, a replicated one that Sentinel watches. A test hands `stop` to its teardown.
import { until } from '../_patience.mjs'
import { certificates } from './certificates.mjs'
import { Server } from './server.mjs'

/** One server. Options: those of `Server.start`, and `memory`, the most it may use, such as '4mb'. */
export const single = ({ memory, args = [], ...options } = {}) => {
  const limits = memory === undefined ? [] : ['--maxmemory', memory, '--maxmemory-policy', 'noeviction']
  return Server.start({ ...options, args: [...limits, ...args] })
}

/** The commands that Atrion needs: an ACL for a user with no other rights. */
const RIGHTS = ['~atrion:*', '&atrion:*', '+@all', '-@dangerous']

/**
 * A server that speaks TLS only and knows one user besides the one that tests it. The result has what a client needs:
 * `username`, `password`, `ca`, and `client` with a certificate of its own, which the server wants with `mutual`.
 */
export const withTls = async ({ rights = RIGHTS, mutual = false, command } = {}) => {
  const { paths, clientPaths, ...pem } = await certificates()
  const user = { username: 'atrion', password: 'p@ss/w:rd#1' }
  const server = await Server.start({
    command,
    config: `user ${user.username} on >${user.password} ${rights.join(' ')}\nuser default on >admin ~* &* +@all\n`,
    // The port of its arguments is the plain one.
    args: (port) => [
      ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', mutual ? 'yes' : 'optional'],
      ...['--tls-cert-file', paths.cert, '--tls-key-file', paths.key, '--tls-ca-cert-file', paths.ca],
    ],
    cliArgs: [
      ...['--tls', '--cacert', paths.ca, '--cert', clientPaths.cert, '--key', clientPaths.key],
      ...['--user', 'default', '--pass', 'admin', '--no-auth-warning'],
    ],
  })
  const { username, password } = user
  const url = `rediss://${username}:${encodeURIComponent(password)}@${server.address}`
  return Object.assign(server, { ...user, ...pem, secureUrl: url })
}

const CLUSTER = [
  ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-config-file', 'nodes.conf'],
  // Losing one node takes its slots only.
  ...['--cluster-require-full-coverage', 'no'],
]

/** A cluster of three masters, its 16,384 slots shared among them, and how to move some. */
export const cluster = async ({ command } = {}) => {
  const servers = await Promise.all([1, 2, 3].map(() => Server.start({ command, args: CLUSTER, cliArgs: ['-c'] })))
  const addresses = servers.map(({ address }) => address)
  const stop = () => Promise.all(servers.map((server) => server.stop()))
  const isWhole = async () => {
    const infos = await Promise.all(servers.map((server) => server.cli('cluster', 'info')))
    return infos.every((info) => /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info))
  }
  const idOf = (server) => server.cli('cluster', 'myid')
  try {
    await servers[0].cli('--cluster', 'create', ...addresses, '--cluster-replicas', 0, '--cluster-yes')
    await until(isWhole, 'cluster_state:ok')
  } catch (error) {
    await stop()
    throw error
  }
  return {
    servers,
    addresses,
    stop,
    isWhole: () => until(isWhole, 'cluster_state:ok'),
    /** Moves so many slots, those with the lowest numbers, and their keys with them. */
    reshard: async (from, to, slots) => {
      const ends = ['--cluster-from', await idOf(from), '--cluster-to', await idOf(to)]
      await from.cli('--cluster', 'reshard', from.address, ...ends, '--cluster-slots', slots, '--cluster-yes')
      await until(isWhole, 'cluster_state:ok')
    },
  }
}

/** The name under which Sentinel knows the master. */
const MASTER = 'atrion-master'

const watching = (master, password) => `
sentinel monitor ${MASTER} ${master.host} ${master.port} 1
sentinel down-after-milliseconds ${MASTER} 500
sentinel failover-timeout ${MASTER} 3000
sentinel resolve-hostnames no
${password === undefined ? '' : `requirepass ${password}\n`}`

/**
 * A master, its replica and one Sentinel that is enough for a quorum. `failOver()` kills the master and resolves when the
 * replica is in its place. With `password`, Sentinel wants it.
 */
export const sentinel = async ({ command, password } = {}) => {
  const started = []
  const start = async (options) => {
    const server = await Server.start({ command, ...options })
    started.push(server)
    return server
  }
  const stop = () => Promise.all(started.map((server) => server.stop()))
  try {
    const eager = ['--repl-diskless-sync-delay', '0']
    const master = await start({ args: eager })
    const replica = await start({ args: [...eager, '--replicaof', master.host, String(master.port)] })
    await until(async () => /master_link_status:up/.test(await replica.cli('info', 'replication')), 'a replica in step')
    const watcher = await start({
      config: (port) => `port ${port}\nbind ${master.host}\n${watching(master, password)}`,
      args: ['--sentinel'],
      cliArgs: password === undefined ? [] : ['--pass', password, '--no-auth-warning'],
    })
    const knows = async () => (await watcher.cli('sentinel', 'replicas', MASTER)).includes(String(replica.port))
    await until(knows, 'a Sentinel that knows the replica')
    const failOver = async () => {
      const switched = watcher.printed(/\+switch-master/)
      await master.kill()
      await switched
      await until(async () => /role:master/.test(await replica.cli('info', 'replication')), 'a promoted replica')
    }
    return { name: MASTER, master, replica, watcher, failOver, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
