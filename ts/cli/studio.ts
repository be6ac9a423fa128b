/** `atrion studio`: Studio of a service that runs, on this machine, behind an address that only its caller knows. */

import { type Served, StudioError, serveStudio, targetOf } from './studio-proxy.js'
import { parse, UsageError } from './usage.js'

const HELP = `Usage: atrion studio --url <address> [options]

Opens Atrion Studio of a running service: checks that it answers, serves it on 127.0.0.1 under a secret path, and prints the
address. Requests of the page are passed on with your authorisation, which the browser never sees. Runs until Ctrl+C.

  --url <address>     the address of Studio, such as https://shop.internal/atrion
  --token <token>     sent as 'Authorization: Bearer <token>' (default: the environment's ATRION_STUDIO_TOKEN)
  --header <header>   another header to send, such as 'Cookie: session=…'
  --port <port>       the local port (default: a free one)
  --check             only check whether Studio answers; exits with 1 if it does not
  --help              this text`

const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]+)$/

interface Given {
  url: string
  token: string
  header: string
  port: number
  check: boolean
}

function portOf(value: string): number {
  const port = Number(value)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`--port is a number from 0 to 65535, not '${value}'`)
  return port
}

/** The headers to send. @throws UsageError, which shows no value */
function headersOf({ token = process.env.ATRION_STUDIO_TOKEN, header }: Partial<Given>): Record<string, string> {
  const headers: Record<string, string> = {}
  if (token !== undefined && token !== '') {
    if (!/^[\x21-\x7e]+$/.test(token)) throw new UsageError('--token has characters that no header may have')
    headers.authorization = `Bearer ${token}`
  }
  if (header !== undefined) {
    const [, name, value] = HEADER.exec(header) ?? []
    if (name === undefined || value === undefined) throw new UsageError("--header is 'Name: value'")
    headers[name.toLowerCase()] = value
  }
  return headers
}

async function run(args: readonly string[]): Promise<number> {
  const given = parse<Given>(args, { url: String, token: String, header: String, port: portOf, check: true })
  if (given.url === undefined) throw new UsageError('--url is missing')
  const target = targetOf(given.url)
  if (target === undefined)
    throw new UsageError('--url is the http or https address of Studio, as https://shop.internal/atrion')
  const headers = headersOf(given)
  let served: Served | undefined
  try {
    served = await serveStudio(target, headers, given.check === true ? undefined : (given.port ?? 0))
  } catch (error) {
    if (!(error instanceof StudioError)) throw error
    console.error(`atrion studio: ${error.message}`)
    return 1
  }
  if (served === undefined) {
    console.log(`Atrion Studio answers at ${target.origin}${target.pathname}.`)
    return 0
  }
  console.log(`Atrion Studio of ${target.host} is at ${served.address} until you press Ctrl+C.`)
  const { close } = served
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => close().then(() => resolve(0)))
  })
}

export const studio = { summary: 'opens Studio of a service that runs', help: HELP, run }
