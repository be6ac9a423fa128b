// edge-runtime: a fetch event is answered with the report.
import { check } from './check.mjs'

addEventListener('fetch', (event) => event.respondWith(check().then((report) => Response.json(report))))
