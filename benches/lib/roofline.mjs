/** The record of a roofline, and what follows from it. */

/** The row that measures memory, on each level. */
export const TRIAD = 'triad'

/** Reads a record: `# name: value` lines, the instruction set, the peak in Gflop/s, and a row for each level and kernel. */
export const parseRoofline = (text) => {
  const lines = text.trim().split('\n')
  const facts = Object.fromEntries(
    lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2).split(/: (.*)/s)),
  )
  const field = (name) => lines.find((line) => line.startsWith(`${name},`))?.split(',')[1]
  const start = lines.findIndex((line) => line.startsWith('level,'))
  const rows = lines.slice(start + 1).map((line) => {
    const [level, workingSet, kernel, bytes, flops, routes, mroutes] = line.split(',')
    const numbers = { workingSet, bytes, flops, routes, mroutes }
    return {
      level,
      kernel,
      ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)])),
    }
  })
  return { facts, set: field('set'), peak: Number(field('peak')), rows }
}

/** Bytes a second of a level, by the triad, in GB. */
export const bandwidthOf = ({ rows }, level) => {
  const { bytes, mroutes } = rows.find((row) => row.level === level && row.kernel === TRIAD)
  return (bytes * mroutes) / 1000
}

/** The most routes a second that a kernel can do on its level, in millions, what bounds it, and the share that it reaches. */
export const reachOf = (roofline, { level, bytes, flops, mroutes }) => {
  const byMemory = (bandwidthOf(roofline, level) * 1000) / bytes
  const byFlops = (roofline.peak * 1000) / flops
  const boundMroutes = Math.min(byMemory, byFlops)
  return { boundMroutes, by: byMemory <= byFlops ? 'memory' : 'arithmetic', reached: mroutes / boundMroutes }
}
