// `npm run arena -- --grid`: plays the grid on the worker pool, lists what falls short, draws it beside the former law.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { playAll } from '../worker-pool.mjs'
import { cellsOf, keyOf, scenarioOf } from './cells.mjs'
import { heatMaps } from './heat.mjs'
import { missesOf, playedOf, recordOf } from './record.mjs'
import { summary } from './summary.mjs'

const FOLDER = new URL('../record/', import.meta.url)
const FORMER = new URL('grid-before.json', FOLDER)

const requestsOf = (cell) => cell.load * cell.servers * scenarioOf(cell).durationS

/**
 * @param {{ id: string, quick: boolean, seed: number, former: boolean, json: boolean, guests: string[],
 *   onProgress: (done: number, total: number, what: string) => void }} options `former` keeps the record as that of the former law
 * @returns {Promise<number>} exit code: 1 where a target is missed
 */
export async function playGrid({ id, quick, seed, former, json, guests, onProgress }) {
  const startedMs = performance.now()
  const tasks = cellsOf(quick)
    .sort((a, b) => requestsOf(b) - requestsOf(a))
    .map((cell) => ({ cell, contestant: id, seed }))
  const answers = await playAll(tasks, (done, total, task) => onProgress(done, total, keyOf(task.cell)), guests)
  const broken = answers.filter((answer) => answer.error !== undefined)
  for (const { error } of broken) console.error(`A run broke: ${error}`)
  if (broken.length > 0) return 1
  const results = new Map(answers.map(({ task, result }) => [keyOf(task.cell), result]))
  const record = recordOf({ quick, law: former ? `${id}, the former law` : id, seed }, results)
  if (json) console.log(JSON.stringify(record))
  else
    console.log(
      `${summary(record)}\n\n${tasks.length} cells in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
    )
  if (!quick) {
    const name = id === 'atrion' ? 'grid' : `grid-${id}`
    const before = !former && existsSync(FORMER) ? [JSON.parse(readFileSync(FORMER, 'utf8'))] : []
    mkdirSync(FOLDER, { recursive: true })
    const files = [[former ? FORMER : new URL(`${name}.json`, FOLDER), JSON.stringify(record)]]
    files.push([new URL(`${name}.svg`, FOLDER), heatMaps([...before, record])])
    for (const [file, content] of files) writeFileSync(file, content)
    if (!json) console.log(`Written: ${files.map(([file]) => `lab/record/${basename(file.pathname)}`).join(', ')}`)
  }
  return playedOf(record).some((played) => missesOf(played).length > 0) ? 1 : 0
}
