// Loaded before a snippet: a server that it starts takes a free port instead of the one it names, and does not keep the
// process alive. Everything else is as its reader would run it.
const net = require('node:net')

const { listen } = net.Server.prototype

net.Server.prototype.listen = function (...args) {
  // A path is no port that another program may have.
  if (typeof args[0]?.path === 'string') return listen.apply(this, args)
  const callback = args.find((arg) => typeof arg === 'function')
  const server = callback ? listen.call(this, 0, '127.0.0.1', callback) : listen.call(this, 0, '127.0.0.1')
  return server.unref()
}
