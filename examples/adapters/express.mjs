// An Express app that holds under three times what it can do: PORT=3000 node examples/adapters/express.mjs, then
// npx autocannon -c 200 -R 1500 -d 10 http://localhost:3000/hash/atrion
import { pbkdf2Sync } from 'node:crypto'
import { Atrion } from 'atrion'
import { atrionExpress } from 'atrion/express'
import express from 'express'

const app = express()
app.use(atrionExpress(new Atrion()))
app.get('/hash/:word', (req, res) => res.send(pbkdf2Sync(req.params.word, 'salt', 6_000, 32, 'sha256').toString('hex')))
app.listen(process.env.PORT ?? 3000)
