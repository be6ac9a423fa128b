/** One node's process. Does nothing until it is asked; its duties are what the module exports. Argument: the module. */
const duties = await import(new URL(process.argv[2], import.meta.url))

process.on('message', async ({ id, duty, details }) => {
  try {
    process.send({ id, result: await duties[duty](details) })
  } catch (error) {
    process.send({ id, failure: String(error?.stack ?? error) })
  }
})
process.on('disconnect', () => process.exit(0))
