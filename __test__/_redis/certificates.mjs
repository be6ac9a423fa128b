// Certificates for one run, made by the openssl command: an authority of our own, a server's and a client's.
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { scratch } from './guard.mjs'

const execute = promisify(execFile)

let made

const openssl = async (folder, ...args) => {
  try {
    await execute('openssl', args, { cwd: folder })
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new Error('There is no openssl command here. Install it: apt-get install openssl.')
    throw error
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const authority = (folder, name) =>
  openssl(
    folder,
    'req',
    '-x509',
    ...NEW_KEY,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.crt`,
  )

const signed = async (folder, name, extension) => {
  await openssl(
    folder,
    'req',
    '-new',
    ...NEW_KEY,
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  )
  await writeFile(join(folder, `${name}.ext`), extension)
  await openssl(
    folder,
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
    ...['-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`],
  )
}

const make = async () => {
  const folder = join(scratch(), 'certificates')
  await mkdir(folder)
  await Promise.all([authority(folder, 'ca'), authority(folder, 'other')])
  await signed(folder, 'server', 'subjectAltName = DNS:localhost, IP:127.0.0.1\nextendedKeyUsage = serverAuth\n')
  await signed(folder, 'client', 'extendedKeyUsage = clientAuth\n')
  const path = (name) => join(folder, name)
  const pem = (name) => readFile(path(name), 'utf8')
  return {
    paths: { ca: path('ca.crt'), cert: path('server.crt'), key: path('server.key') },
    clientPaths: { cert: path('client.crt'), key: path('client.key') },
    ca: await pem('ca.crt'),
    otherCa: await pem('other.crt'),
    client: { cert: await pem('client.crt'), key: await pem('client.key') },
  }
}

/**
 * The certificates of this thread: `ca` is who signed the server's and the client's, `otherCa` knows neither (all PEM),
 * `paths` and `clientPaths` are where the files are.
 */
export const certificates = () => {
  made ??= make()
  return made
}
