// Prometheus's text read as series: the samples by their names and labels, in order.
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: # (.*))?$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/y

const unescaped = (text) => text.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c))

const labelsOf = (text = '') => {
  const labels = {}
  LABEL.lastIndex = 0
  for (let found = LABEL.exec(text); found !== null; found = LABEL.exec(text)) labels[found[1]] = unescaped(found[2])
  return labels
}

/** The samples of a text: [{ name, labels, value, exemplar }]. Throws for a line that is none. */
export const samplesOf = (text) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const found = SAMPLE.exec(line)
      if (found === null) throw new Error(`no sample: ${line}`)
      const [, name, labels, value, exemplar] = found
      return { name, labels: labelsOf(labels), value: value === '+Inf' ? Infinity : Number(value), exemplar }
    })

/** The value of the one sample with that name and those labels; undefined where there is none. */
export const numberOf = (text, name, labels = {}) => {
  const found = samplesOf(text).filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  if (found.length > 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`)
  return found[0]?.value
}
