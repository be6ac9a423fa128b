// Deno and Bun: the report on stdout.
import { check } from './check.mjs'

console.log(JSON.stringify(await check()))
