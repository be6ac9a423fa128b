// A cluster of one worker whose handler keeps its loop busy; the primary asks it twelve times at once, and prints how old the
// requests were when the worker's adapter came to them.
const cluster = require('node:cluster')
const http = require('node:http')

const REQUESTS = 12

if (cluster.isPrimary) {
  cluster.fork().on('message', ({ port, ages }) => {
    if (ages) {
      process.stdout.write(JSON.stringify(ages), () => process.exit(0))
      return
    }
    for (let i = 0; i < REQUESTS; i++) {
      http.get({ host: '127.0.0.1', port, agent: false }, (response) => response.resume()).on('error', () => {})
    }
  })
} else {
  const { Atrion } = require('atrion')
  const { atrionHttp } = require('atrion/http')
  const atrion = new Atrion()
  const ages = []
  const acquire = atrion.acquire.bind(atrion)
  atrion.acquire = (routeId, options) => {
    if (ages.push(options.queueAgeMs) === REQUESTS) process.send({ ages })
    return acquire(routeId, options)
  }
  const handler = (_request, response) => {
    const endMs = performance.now() + Number(process.argv[2])
    while (performance.now() < endMs);
    response.end()
  }
  const server = http.createServer(atrionHttp(atrion, handler))
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
}
