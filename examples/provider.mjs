// A store of your own: any class with these methods. Nothing on the decision path waits for it; what changed is sent
// every 100 ms, and what it knows is taken over at connect().
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Atrion } from 'atrion'

class FolderProvider {
  name = 'FolderProvider'
  #folder

  constructor(folder) {
    this.#folder = folder
  }

  #file = (routeId) => join(this.#folder, encodeURIComponent(routeId))
  async connect() {}
  async disconnect() {}
  listRoutes = async () => (await readdir(this.#folder)).map(decodeURIComponent)
  updateVector = (routeId, vector) => writeFile(this.#file(routeId), JSON.stringify(vector))
  deleteVector = (routeId) => rm(this.#file(routeId), { force: true })
  getVector = async (routeId) =>
    readFile(this.#file(routeId), 'utf8').then(JSON.parse, (error) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
}

const folder = await mkdtemp(join(tmpdir(), 'atrion-example-'))
try {
  const first = new Atrion({ provider: new FolderProvider(folder) })
  await first.connect()
  for (let tick = 0; tick < 15; tick += 1) first.route('GET /orders', { latencyMs: 900, errorRate: 0.3 })
  console.log(`first process: S=${first.getState('GET /orders').scarTissue.toFixed(1)}Ω`)
  await first.disconnect() // sends what has not been sent
  console.log(`the store: ${await readFile(join(folder, encodeURIComponent('GET /orders')), 'utf8')}`)

  const second = new Atrion({ provider: new FolderProvider(folder) })
  await second.connect()
  console.log(`second process: S=${second.getState('GET /orders').scarTissue.toFixed(1)}Ω, remembered`)
  await second.disconnect()
} finally {
  await rm(folder, { recursive: true })
}
