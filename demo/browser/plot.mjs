/** Lines over the last minute, on a canvas that follows its element's size and the page's colours. */

const WINDOW = 240

/** Distinct in light and in dark, and by their dashes without colour. */
const INKS = ['#1f77d0', '#d9541e', '#2a9d4a', '#a04fc4', '#b8860b', '#d02c6d']
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [1, 2]]

const nice = (top) => {
  const power = 10 ** Math.floor(Math.log10(Math.max(top, 1e-6)))
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= top)
}

const label = (value) => (value >= 10_000 ? `${Math.round(value / 1000)}k` : String(Math.round(value * 100) / 100))

/** A canvas as sharp as the screen, and its context in CSS pixels. */
export const sharpen = (canvas) => {
  const ratio = devicePixelRatio || 1
  const { clientWidth: width, clientHeight: height } = canvas
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
  }
  const context = canvas.getContext('2d')
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  return { context, width, height }
}

export class Plot {
  #canvas = document.createElement('canvas')
  #lines
  #least
  #caption

  /** @param least what the scale shows at least */
  constructor(parent, title, names, least) {
    this.#lines = names.map((name) => ({ name, points: [] }))
    this.#least = least
    const figure = document.createElement('figure')
    const heading = document.createElement('h2')
    heading.textContent = title
    this.#caption = document.createElement('figcaption')
    const legend = document.createElement('ul')
    for (const [i, name] of names.entries()) {
      const item = document.createElement('li')
      item.textContent = name
      item.style.setProperty('--ink', INKS[i])
      legend.append(item)
    }
    this.#caption.append(legend)
    this.#canvas.setAttribute('role', 'img')
    this.#canvas.setAttribute('aria-label', `${title}: ${names.join(', ')}, over the last minute`)
    figure.append(heading, this.#canvas, this.#caption)
    parent.append(figure)
  }

  add(values) {
    for (const [i, line] of this.#lines.entries()) {
      line.points.push(values[i] ?? 0)
      if (line.points.length > WINDOW) line.points.shift()
    }
  }

  draw(colours) {
    const { context, width, height } = sharpen(this.#canvas)
    const left = 40
    const bottom = height - 6
    const top = nice(Math.max(this.#least, ...this.#lines.flatMap(({ points }) => points)))
    context.font = '11px system-ui, sans-serif'
    context.textAlign = 'right'
    context.lineWidth = 1
    context.setLineDash([])
    for (const share of [0, 0.5, 1]) {
      const y = bottom - share * (bottom - 10)
      context.strokeStyle = colours.line
      context.fillStyle = colours.soft
      context.beginPath()
      context.moveTo(left, y)
      context.lineTo(width, y)
      context.stroke()
      context.fillText(label(top * share), left - 5, y + 4)
    }
    context.lineWidth = 2
    for (const [i, { points }] of this.#lines.entries()) {
      context.strokeStyle = INKS[i]
      context.setLineDash(DASHES[i])
      context.beginPath()
      for (const [at, value] of points.entries()) {
        const x = left + ((at + WINDOW - points.length) / (WINDOW - 1)) * (width - left)
        context.lineTo(x, bottom - (Math.max(0, value) / top) * (bottom - 10))
      }
      context.stroke()
    }
  }
}
