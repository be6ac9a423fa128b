/**
 * Keeps, in the file that `ATRION_FILES_LOG` names, which test files have begun and which have ended: where a run hangs, it says in which.
 * It is written at once, so that a thread that native code blocks has left its line.
 */
import { appendFileSync } from 'node:fs'
import test from 'ava'

const log = process.env.ATRION_FILES_LOG
if (log) {
  appendFileSync(log, `begins ${test.meta.file}\n`)
  process.once('exit', () => appendFileSync(log, `ends ${test.meta.file}\n`))
}
