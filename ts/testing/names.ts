/** Names that stores are known to lose, to change, or to take for another. Each is a route of its own. */

const LONE_HIGH = '\ud800'
const LONE_LOW = '\udc00'

/** @param mark a mark that makes the names unique where it does not spoil them */
export function hostileNames(mark: string): string[] {
  return [
    // what is a key of every object
    ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', 'then'],
    // what reads as another value
    ...['0', '-1', '1e3', 'null', 'undefined', 'true', 'NaN', '[]', '{}', '""'],
    // what only differs by what is easily trimmed, folded or normalised
    ...[' ', '  ', `${mark}`, ` ${mark}`, `${mark} `, `${mark}\t`, `${mark}\n`, `${mark}\r\n`, mark.toUpperCase()],
    ...[`caf\u00e9 ${mark}`, `cafe\u0301 ${mark}`, `${mark}\u200b`, `\ufeff${mark}`, `\u202e${mark}`],
    // what ends a string, separates or matches keys
    ...[`${mark}\0`, `\0${mark}`, `${mark}\0a`, `${mark}:a`, `${mark}/a`, `../${mark}`, `${mark}%2Fa`, `${mark}#a`],
    ...[
      `${mark}*`,
      `${mark}?`,
      `[${mark}]`,
      `{${mark}}`,
      `{${mark}}a`,
      `${mark}\\`,
      `${mark}"`,
      `${mark}'`,
      `${mark}$1`,
    ],
    // what has no UTF-8
    ...[
      LONE_HIGH,
      LONE_LOW,
      `${mark}${LONE_HIGH}`,
      `${mark}${LONE_LOW}`,
      `${mark}\ufffd`,
      `${mark}${LONE_LOW}${LONE_HIGH}`,
    ],
    ...[`${mark} \u{1f41f} \u{10ffff}`, '\u0000', '\uffff'],
    // what is long
    `${mark}${'x'.repeat(10_000)}`,
    `${mark}${'x'.repeat(10_000)}y`,
    `${mark}${'\u{1f41f}'.repeat(2500)}`,
  ]
}
