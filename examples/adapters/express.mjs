// An Express app of ten lines that answers in time under three times what it can do, and says no to the rest at once:
// PORT=3000 node examples/adapters/express.mjs, then npx autocannon -c 100 -R 720 -d 10 http://localhost:3000/hash/atrion
// (autocannon sends each second's requests in one burst, and counts refusals: compare the latencies with and without the guard)
import { pbkdf2Sync } from 'node:crypto'
import { Atrion } from 'atrion'
import { atrionExpress } from 'atrion/express'
import express from 'express'

const app = express()
app.use(atrionExpress(new Atrion()))
app.get('/hash/:word', (req, res) =>
  res.send(pbkdf2Sync(req.params.word, 'salt', 20_000, 32, 'sha256').toString('hex')),
)
app.listen(process.env.PORT ?? 3000)
