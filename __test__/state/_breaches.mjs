// Breaches of the conformance suite, one promise each. One file, because it is one table.
import { ShelfProvider } from '../_shelf.mjs'

/** As it was before. */
const own = (provider, method) => ShelfProvider.prototype[method].bind(provider)

/** Providers that break one promise each: how a provider is changed, and the clause of the suite that must fail for it. */
export const BREACHES = {
  'it has no name': [() => ({ name: '' }), 'it has a name'],
  'connecting again forgets': [
    (provider) => ({
      connect: async () => {
        await own(provider, 'connect')()
        for (const name of await provider.listRoutes()) await provider.deleteVector(name)
      },
    }),
    'connect() and disconnect() may be called again',
  ],
  'disconnecting again rejects': [
    () => {
      let connected = false
      return {
        connect: async () => {
          connected = true
        },
        disconnect: async () => {
          if (!connected) throw new Error('not connected')
          connected = false
        },
      }
    },
    'connect() and disconnect() may be called again',
  ],
  'a method returns no promise': [() => ({ listRoutes: () => [] }), 'every method but subscribe() returns a promise'],
  'an unknown route is undefined': [
    (provider) => ({ getVector: async (id) => (await own(provider, 'getVector')(id)) ?? undefined }),
    'a route that was never written is null',
  ],
  'numbers are rounded': [
    (provider) => ({
      updateVector: (id, vector) => own(provider, 'updateVector')(id, { ...vector, scar: Math.fround(vector.scar) }),
    }),
    'what was written is read to the last bit',
  ],
  'the higher scar stays': [
    (provider) => ({
      updateVector: async (id, vector) => {
        const kept = await provider.getVector(id)
        if (!kept || kept.scar <= vector.scar) await own(provider, 'updateVector')(id, vector)
      },
    }),
    'the last vector written replaces the one before',
  ],
  'deleting an unknown route rejects': [
    (provider) => ({
      deleteVector: async (id) => {
        if ((await provider.getVector(id)) === null) throw new Error('unknown')
        await own(provider, 'deleteVector')(id)
      },
    }),
    'a deleted route is gone, may be deleted again',
  ],
  'a route is listed as often as it was written': [
    (provider) => ({
      listRoutes: async () => (await own(provider, 'listRoutes')()).flatMap((name) => [name, name]),
    }),
    'listRoutes() names every route that was written, each once',
  ],
  'names are trimmed': [
    (provider) => ({
      getVector: (id) => own(provider, 'getVector')(id.trim()),
      updateVector: (id, vector) => own(provider, 'updateVector')(id.trim(), vector),
      deleteVector: (id) => own(provider, 'deleteVector')(id.trim()),
    }),
    'any string is a name',
  ],
  'names go through UTF-8': [
    (provider) => ({
      getVector: (id) => own(provider, 'getVector')(Buffer.from(id).toString()),
      updateVector: (id, vector) => own(provider, 'updateVector')(Buffer.from(id).toString(), vector),
      deleteVector: (id) => own(provider, 'deleteVector')(Buffer.from(id).toString()),
    }),
    'any string is a name',
  ],
  'names are cut at NUL': [
    (provider) => ({
      getVector: (id) => own(provider, 'getVector')(id.split('\0')[0]),
      updateVector: (id, vector) => own(provider, 'updateVector')(id.split('\0')[0], vector),
      deleteVector: (id) => own(provider, 'deleteVector')(id.split('\0')[0]),
    }),
    'any string is a name',
  ],
  'it keeps the very object': [
    () => {
      const kept = new Map()
      return {
        getVector: async (id) => kept.get(id) ?? null,
        updateVector: async (id, vector) => void kept.set(id, vector),
        deleteVector: async (id) => void kept.delete(id),
        listRoutes: async () => [...kept.keys()],
      }
    },
    'what it was given and what it gave may be changed',
  ],
  'it has room for few': [
    (provider) => ({
      updateVector: async (id, vector) => {
        await own(provider, 'updateVector')(id, vector)
        const names = await provider.listRoutes()
        if (names.length > 20) await provider.deleteVector(names[0])
      },
    }),
    'many routes are written and read at the same time',
  ],
  'fields are written one by one': [
    (provider) => {
      const kept = new Map()
      return {
        updateVector: async (id, vector) => {
          const fields = kept.get(id) ?? { ...vector }
          kept.set(id, fields)
          fields.scar = vector.scar
          // Some take longer than others.
          for (let n = 0; n < 2 - (vector.lastTick % 2); n++) await null
          Object.assign(fields, vector, { scar: fields.scar })
          await own(provider, 'updateVector')(id, fields)
        },
      }
    },
    'of one route written many times at once',
  ],
  'disconnecting forgets': [
    (provider) => ({
      disconnect: async () => {
        for (const name of await provider.listRoutes()) await provider.deleteVector(name)
      },
    }),
    'what was written is there after disconnect()',
  ],
  'load() takes no bounds': [
    (provider) => ({ load: () => own(provider, 'load')(Number.POSITIVE_INFINITY) }),
    'load(), where there is one',
  ],
  'load() gives times for ages': [
    (provider) => ({
      load: async (most) => (await own(provider, 'load')(most)).map(([id, vector]) => [id, vector, Date.now()]),
    }),
    'load(), where there is one',
  ],
  'no instance reads what another wrote': [
    () => {
      const alone = new ShelfProvider(`alone ${shelves++}`)
      return {
        getVector: (id) => alone.getVector(id),
        updateVector: (id, vector) => alone.updateVector(id, vector),
        deleteVector: (id) => alone.deleteVector(id),
        listRoutes: () => alone.listRoutes(),
      }
    },
    'what one provider writes, replaces and deletes',
  ],
  'the list is only of its own': [
    (provider) => {
      const names = new Set()
      return {
        updateVector: (id, vector) => own(provider, 'updateVector')(id, vector, names.add(id)),
        deleteVector: (id) => own(provider, 'deleteVector')(id, names.delete(id)),
        listRoutes: async () => [...names],
      }
    },
    'who connects later finds what is there',
  ],
  'no subscriber is called': [() => ({ tell: () => {} }), 'subscribe(), where there is one, passes on'],
  'its own changes are reported': [
    (provider) => ({
      updateVector: async (id, vector) => {
        provider.tell(id, vector)
        await own(provider, 'updateVector')(id, vector)
      },
    }),
    'subscribe(), where there is one, passes on',
  ],
  'unsubscribing does nothing': [
    (provider) => ({
      subscribe: (id, onChange) => {
        own(provider, 'subscribe')(id, onChange)
        return () => {}
      },
    }),
    'after unsubscribing no change is reported',
  ],
  'a callback that throws ends the round': [
    () => {
      const listeners = []
      return {
        subscribe: (id, onChange) => {
          listeners.push([id, onChange])
          return () => {}
        },
        tell: (id, vector) => {
          try {
            for (const [route, onChange] of listeners) if (route === id) onChange({ ...vector })
          } catch {}
        },
      }
    },
    'a callback that throws, or changes what it is given',
  ],
  'documents are read and never written': [
    () => ({ writeDocument: undefined }),
    'a document that was never written has version 0',
  ],
  'the version of a document does not count': [
    (provider) => ({
      writeDocument: async (name, _, text, options) => {
        const { version } = await provider.readDocument(name)
        return own(provider, 'writeDocument')(name, version, text, options)
      },
    }),
    'a document is replaced at its version and at no other',
  ],
  'comparing and setting are two steps': [
    (provider) => ({
      writeDocument: async (name, version, text, options) => {
        if ((await provider.readDocument(name)).version !== version) return false
        for (;;) {
          const { version: now } = await provider.readDocument(name)
          if (await own(provider, 'writeDocument')(name, now, text, options)) return true
        }
      },
    }),
    'of many who write at one version at the same time one succeeds',
  ],
  'versions begin again': [
    (provider) => {
      const versions = new Map()
      return {
        readDocument: async (name) => {
          const got = await own(provider, 'readDocument')(name)
          if (got.version === 0) versions.delete(name)
          return { ...got, version: got.version && (versions.get(name) ?? 0) }
        },
        writeDocument: async (name, version, text, options) => {
          const { version: at } = await own(provider, 'readDocument')(name)
          if ((at && versions.get(name)) !== version) return false
          const done = await own(provider, 'writeDocument')(name, at, text, options)
          versions.set(name, version + 1)
          return done
        },
      }
    },
    'versions rise, and never come again',
  ],
  'a document never expires': [
    (provider) => ({ writeDocument: (...given) => own(provider, 'writeDocument')(...given.slice(0, 3)) }),
    'a document is gone after its ttlMs',
  ],
  'a document expires as it would have before it was written again': [
    (provider) => {
      const ttls = new Map()
      return {
        writeDocument: (name, version, text, { ttlMs = ttls.get(name) } = {}) => {
          ttls.set(name, ttlMs === 60_000 ? 1 : ttlMs)
          return own(provider, 'writeDocument')(name, version, text, { ttlMs })
        },
      }
    },
    'a document is gone after its ttlMs',
  ],
  'names of documents are folded': [
    (provider) => ({
      readDocument: async (name) => own(provider, 'readDocument')(name.toLowerCase()),
      writeDocument: async (name, ...rest) => own(provider, 'writeDocument')(name.toLowerCase(), ...rest),
    }),
    'any well-formed text is a name of a document',
  ],
  'texts are cut at 64 KiB': [
    (provider) => ({
      writeDocument: (name, version, text, options) =>
        own(provider, 'writeDocument')(name, version, typeof text === 'string' ? text.slice(0, 65_536) : text, options),
    }),
    'texts are kept as they are',
  ],
  'a text loses its byte order mark': [
    (provider) => ({
      writeDocument: (name, version, text, options) =>
        own(provider, 'writeDocument')(name, version, text?.replace?.(/^\ufeff/, '') ?? text, options),
    }),
    'texts are kept as they are',
  ],
  'any text is a document': [
    (provider) => ({
      writeDocument: (name, version, text, options) =>
        own(provider, 'writeDocument')(name, version, String(text).slice(0, 2 ** 20), options),
    }),
    'what is out of its range is rejected',
  ],
  'documents are listed as routes': [
    (provider, shelf) => ({
      writeDocument: async (name, version, text, options) => {
        const done = await own(provider, 'writeDocument')(name, version, text, options)
        await new ShelfProvider(shelf).updateVector(name, { scar: 0, momentumScalar: 0, lastTick: 0, resistance: 0 })
        return done
      },
    }),
    'a document and a route of one name are two things',
  ],
  'documents end with the connection': [
    (provider) => ({
      disconnect: async () => {
        for (const name of provider.wrote ?? []) {
          const { version } = await provider.readDocument(name)
          await own(provider, 'writeDocument')(name, version, '', { ttlMs: 1 })
          while ((await provider.readDocument(name)).version !== 0) await new Promise((done) => setTimeout(done, 1))
        }
      },
      writeDocument: (name, ...rest) => {
        provider.wrote = [...(provider.wrote ?? []), name]
        return own(provider, 'writeDocument')(name, ...rest)
      },
    }),
    'a document is there after disconnect()',
  ],
  'documents are each instance’s own': [
    () => {
      const alone = new ShelfProvider(`alone ${shelves++}`)
      return {
        readDocument: (name) => alone.readDocument(name),
        writeDocument: (...given) => alone.writeDocument(...given),
      }
    },
    'a document of one provider is read and replaced by another',
  ],
  'no watcher is called': [() => ({ tellDocument: () => {} }), 'watchDocuments(), where there is one'],
  'a watch cannot be stopped': [
    (provider) => ({
      watchDocuments: (onWrite) => {
        own(provider, 'watchDocuments')(onWrite)
        return () => {}
      },
    }),
    'watchDocuments(), where there is one',
  ],
}
