/** The page as it is sent: inflated once, with a nonce of its own each time. */

import { BYTES, DEFLATED } from 'studio-page'
import { builtin } from '../base/builtin.js'
import { inflate } from '../base/inflate.js'

const { inflateRawSync } = builtin('node:zlib')

let page: string | undefined

function pageOf(): string {
  const deflated = Uint8Array.from(atob(DEFLATED), (character) => character.charCodeAt(0))
  return new TextDecoder().decode(inflateRawSync ? inflateRawSync(deflated) : inflate(deflated, BYTES))
}

/** @param base the path that Studio is served under */
export function documentOf(base: string, nonce: string): string {
  page ??= pageOf()
  return page.replaceAll('__NONCE__', nonce).replace('__BASE__', base)
}
