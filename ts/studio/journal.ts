/** The journal: changes, and the actions of operators, in two bounded lists, newest first. */

import { printable } from '../base/text.js'
import type { AuditEntry, Change } from './protocol.js'

const MOST_CHANGES = 200
const MOST_ENTRIES = 200
const LONGEST_TEXT = 300

/** Foreign text on one line, cut to a length. */
export const plain = (text: string, most = LONGEST_TEXT): string =>
  printable(text.length > most ? `${text.slice(0, most)}…` : text)

/** An entry with what takes it back. */
export interface Undoable {
  readonly entry: AuditEntry
  /** Takes the change back; undefined: it cannot be, or has been. @returns what stands in the way, or undefined */
  undo: (() => string | undefined) | undefined
}

export class Journal {
  #changes: Change[] = []
  readonly #audit: Undoable[] = []
  #id = 0
  /** Counts what was noted: a list is sent again when it differs. */
  version = 0

  /** Notes a change. @returns a function that adds its evidence */
  note(change: Change): (evidence: string) => void {
    const at = { ...change, text: plain(change.text) }
    this.#changes.unshift(at)
    if (this.#changes.length > MOST_CHANGES) this.#changes.length = MOST_CHANGES
    this.version += 1
    return (evidence) => {
      const i = this.#changes.indexOf(at)
      if (i < 0) return
      this.#changes[i] = { ...at, evidence: plain(evidence) }
      this.version += 1
    }
  }

  /** Notes an action of an operator. */
  record(at: number, by: string, text: string, undo?: () => string | undefined): AuditEntry {
    this.#id += 1
    const entry: AuditEntry = { id: this.#id, at, by: plain(by, 64), text: plain(text), canUndo: undo !== undefined }
    this.#audit.unshift({ entry, undo })
    if (this.#audit.length > MOST_ENTRIES) this.#audit.length = MOST_ENTRIES
    this.version += 1
    return entry
  }

  find(id: number): Undoable | undefined {
    return this.#audit.find(({ entry }) => entry.id === id)
  }

  changes(most: number): readonly Change[] {
    return this.#changes.slice(0, most)
  }

  audit(most: number): readonly AuditEntry[] {
    return this.#audit.slice(0, most).map(({ entry, undo }) => ({ ...entry, canUndo: undo !== undefined }))
  }
}
