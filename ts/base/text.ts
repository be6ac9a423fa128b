/** Values in messages and logs: short, on one line, and without secrets. */

/** Longest text shown of a name, characters. */
const NAME_LENGTH = 200

/** Characters that end a line, move a cursor, or change the direction of what follows; and halves of characters. */
const UNPRINTABLE = '[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]'
/** Made with the first message: the classes of a literal are built when the code is parsed. */
let unprintable: RegExp | undefined

const escapeOf = (character: string): string => {
  const code = character.codePointAt(0)!.toString(16)
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
}

/** Text with nothing in it that a terminal or a log could take for more than text. */
export function printable(text: string): string {
  unprintable ??= new RegExp(UNPRINTABLE, 'gu')
  return text.replace(unprintable, escapeOf)
}

/** A name on one line, at most 200 characters of it. */
export const nameInLog = (name: string): string =>
  printable(name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH)}…` : name)

/** Stands for a value that may hold a secret: in messages and in `ConfigError.got` its kind takes its place. */
export class Withheld {
  readonly kind: string

  constructor(value: unknown) {
    this.kind = kindOf(value)
  }
}

/** Names the kind of a value, and nothing of what is in it. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  const type = typeof value
  return type === 'object' ? 'an object' : `a ${type}`
}

/** A name and a password before a host, as in a URL or without its scheme; a password among a URL's parameters; a key. */
const CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)?[^\s@]*:.*@/i
const PARAMETERS = /^([a-z][a-z0-9+.-]*:\/\/[^?#]*[?#]).*$/is
const PEM = /-----BEGIN [^-]*PRIVATE KEY-----[\s\S]*/

/** Longest text that is searched for credentials, characters: what is shown of it is shorter by far. */
const SEARCHED_LENGTH = 4096

/**
 * Text without what looks like credentials: what was given may have been meant for another option. A long text is searched at its
 * head, where what would be credentials with a host behind them is taken for such; where there are any, the head is left of it.
 */
export function withoutSecrets(text: string): string {
  const searched = text.length > SEARCHED_LENGTH ? `${text.slice(0, SEARCHED_LENGTH)}…@` : text
  const clean = searched.replace(PEM, '…').replace(CREDENTIALS, '$1…@').replace(PARAMETERS, '$1…')
  return clean === searched ? text : clean
}
