/** Makes sure that tables are there, in a version that this code knows. */

import type { PostgresClient } from './client.js'

/**
 * Rejects where they are not.
 *
 * @param table of the version
 * @param migration the statement that makes them; undefined: nothing may be made
 */
export async function prepare(
  client: PostgresClient,
  table: string,
  wanted: number,
  migration: string | undefined,
): Promise<void> {
  const version = await versionOf(client, table)
  if (version === wanted) return
  if (version > wanted) throw new Error(`table ${table} has version ${version}, and this Atrion knows ${wanted}`)
  if (migration === undefined) {
    throw new Error(`table ${table} is missing or has version ${version}: run the statement of migration()`)
  }
  await client.query(migration, [], true)
}

/** The version of the tables; 0: there are none. */
async function versionOf(client: PostgresClient, table: string): Promise<number> {
  const [found] = await client.query('select to_regclass($1::text)::text as found', [table], true)
  if (found?.found == null) return 0
  const [row] = await client.query(`select version::text from ${table}`, [], true)
  return Number(row?.version ?? 0)
}
