/** Deletes routes from the rows of all nodes, and the rows of nodes that are gone. */

import type { Row } from './client.js'
import { type Link, NOW } from './link.js'
import { shardOf } from './shards.js'

/** Rows that others replaced meanwhile are read and replaced anew so often. */
const MOST_TRIES = 16

/**
 * Removes routes from the rows of all nodes: each row is replaced by one without them, if it still is the one that was read.
 *
 * @param replaced is called for each row of this node that was replaced
 */
export async function deleteRows(
  link: Link,
  gone: ReadonlySet<string>,
  replaced: (shard: number, version: number) => void,
): Promise<void> {
  const { tables, node } = link
  const shards = [...new Set([...gone].map(shardOf))].join(',')
  for (let tries = 0; ; tries++) {
    const rows = await link.ask(
      `select shard::text, node, version::text, stamp::text, body, mac, ${NOW}::text as now from ${tables.state}
       where shard = any(string_to_array($1::text, ',')::int[])`,
      [shards],
    )
    const changed = rows.flatMap((row) => {
      const body = link.verifies(row) ? bodyWithout(row.body, gone) : undefined
      return body === undefined ? [] : [{ row, body }]
    })
    const done = changed.length === 0 ? [] : await replace(link, changed)
    for (const { shard, version, node: of } of done) {
      if (of === node) replaced(Number(shard), Number(version))
    }
    if (done.length === changed.length) return
    if (tries >= MOST_TRIES)
      throw new Error(`rows of other nodes changed ${MOST_TRIES} times in a row while routes were deleted`)
  }
}

function replace(link: Link, changed: readonly { row: Row; body: string }[]): Promise<Row[]> {
  const { tables } = link
  const column = (read: (item: { row: Row; body: string }) => string, by = ','): string => changed.map(read).join(by)
  return link.ask(
    `with given as (
select u.shard::int, u.node, u.version::bigint, u.body, u.mac from unnest(string_to_array($1::text, ','), string_to_array($2::text, ','),
  string_to_array($3::text, ','), string_to_array($4::text, E'\\n'), string_to_array($5::text, ',')) as u(shard, node, version, body, mac)
), locked as (
select s.shard, s.node, g.body, g.mac from ${tables.state} as s join given as g on g.shard = s.shard and g.node = s.node and g.version = s.version
order by s.shard, s.node for update of s
)
update ${tables.state} as s set version = s.version + 1, body = l.body, mac = l.mac from locked as l
where s.shard = l.shard and s.node = l.node
returning s.shard::text, s.node, s.version::text, ${NOW}::text as now`,
    [
      column(({ row }) => row.shard ?? ''),
      column(({ row }) => row.node ?? ''),
      column(({ row }) => row.version ?? ''),
      column(({ body }) => body, '\n'),
      column(({ row, body }) => link.sign(row.node ?? '', row.shard ?? '', row.stamp ?? '', body)),
    ],
  )
}

/** Removes what its node has not renewed for too long. */
export async function sweep(link: Link): Promise<void> {
  const { tables, settings } = link
  await link.ask(
    `with gone as (
delete from ${tables.nodes} where at < clock_timestamp() - make_interval(secs => $1::text::float8 / 1000) returning node
), rows as (
delete from ${tables.state} using gone where ${tables.state}.node = gone.node
), documents as (
delete from ${tables.documents} where expires < (extract(epoch from clock_timestamp()) - $1::text::float8 / 1000) * 1000
)
select ${NOW}::text as now`,
    [String(settings.retentionMs)],
  )
}

/** A body without some routes; undefined where it has none of them. Other entries stay as they are, whatever they are. */
function bodyWithout(body: unknown, gone: ReadonlySet<string>): string | undefined {
  try {
    const list: unknown = JSON.parse(String(body))
    if (!Array.isArray(list)) return undefined
    const left = list.filter((item: unknown) => !(Array.isArray(item) && gone.has(item[0] as string)))
    return left.length === list.length ? undefined : JSON.stringify(left)
  } catch {
    return undefined
  }
}
