/**
 * The tables, the statements that make them, and the rights that a service needs.
 *
 * ```text
 * state          a row for each node and shard of its routes: the body is JSON, an array of [name, S, M, ticks, R, stamp µs, lag ms]
 * state_nodes    a row for each node: the stamp of its last batch, its zone, when it last wrote
 * state_documents  a row for each document, its name and text as JSON strings
 * state_version  the version of these tables
 * ```
 *
 * Routes lie in 256 shards by their names: ten thousand routes are 256 rows a batch, which is what makes a batch cheap. A row carries a version,
 * so that one that arrives late, of a statement that was given up, changes nothing. Names are JSON, since text has no place for NUL. Bodies stay in the
 * row while they fit into a page: beside it they cost a fifth more. LZ4, where the server has it, makes two of them fit into one page, so that the
 * table does not grow with every batch, and halves the write-ahead log; PostgreSQL's own compression costs more than it spares.
 */

import type { Place } from './settings.js'

/** The version of the tables that this code reads and writes. */
export const SCHEMA_VERSION = 1

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The tables' names as SQL has them. */
export interface Tables {
  readonly schema: string
  readonly state: string
  readonly nodes: string
  readonly documents: string
  readonly version: string
  /** The channel of NOTIFY. */
  readonly channel: string
}

export function tablesOf({ schema, table }: Place): Tables {
  const full = (end: string): string => `${identifier(schema)}.${identifier(`${table}${end}`)}`
  return {
    schema: identifier(schema),
    state: full(''),
    nodes: full('_nodes'),
    documents: full('_documents'),
    version: full('_version'),
    channel: `atrion:${table}`,
  }
}

/** Bodies compressed by LZ4, where PostgreSQL is of version 14 or later and was built with it. Older nodes read and write them as before. */
const lz4 = (table: string): string => `  begin
    execute ${literal(
      `alter table ${table} alter column body set compression lz4, alter column body set storage main, set (toast_tuple_target = 1024)`,
    )};
  exception when others then null;
  end;`

/** The DDL of each version, from the one before. */
function steps(place: Place): string[] {
  const { state, nodes, documents } = tablesOf(place)
  const kind = place.unlogged ? 'unlogged table' : 'table'
  const index = (end: string): string => identifier(`${place.table}_${end}`)
  return [
    `
  create ${kind} ${nodes} (
    node text primary key,
    stamp bigint not null,
    zone text not null,
    at timestamptz not null
  );
  create ${kind} ${state} (
    shard integer not null,
    node text not null,
    version bigint not null,
    stamp bigint not null,
    body text not null,
    mac text not null,
    primary key (shard, node)
  ) with (fillfactor = 50, toast_tuple_target = 8160);
  alter table ${state} alter column body set storage external;
${lz4(state)}
  create index ${index('stamp')} on ${state} (node, stamp);
  create table ${documents} (
    name text primary key,
    version bigint not null,
    node text not null,
    body text not null,
    mac text not null,
    expires bigint
  );
  alter table ${documents} alter column body set storage external;
  create index ${index('documents_at')} on ${documents} (version);`,
  ]
}

/**
 * One statement that brings the tables to the current version from any before, and does nothing where they have it. Any number of nodes may run it at once.
 */
export function migrationOf(place: Place, ddl: readonly string[] = steps(place)): string {
  const { schema, version } = tablesOf(place)
  // The names are looked for by statements, since those see the others' work, and PostgreSQL's caches need not. One lock for the schema's tables.
  const lock = literal(`atrion ${place.schema}`)
  const name = literal(place.schema)
  const blocks = ddl.map((step, at) => `  if at < ${at + 1} then${step.replace(/^/gm, '  ')}\n  end if;`).join('\n')
  return `do $atrion$
declare
  at integer := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended(${lock}, 0));
  if not exists (select from pg_namespace where nspname = ${name}) then
    create schema ${schema};
  end if;
  if not exists (
    select from pg_class where relnamespace = (select oid from pg_namespace where nspname = ${name}) and relname = ${literal(`${place.table}_version`)}
  ) then
    create table ${version} (version integer not null);
    insert into ${version} values (0);
  end if;
  select version into at from ${version};
${blocks}
  if at < ${ddl.length} then
    update ${version} set version = ${ddl.length};
  end if;
end
$atrion$`
}

/** The table of the history, and the DDL of each of its versions. */
export function historyOf(place: Place): { readonly table: string; readonly steps: readonly string[] } {
  const table = tablesOf(place).state
  const index = (end: string): string => identifier(`${place.table}_${end}`)
  return {
    table,
    steps: [
      `
  create table ${table} (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    kind text not null,
    route text,
    detail text not null
  );
  create index ${index('at')} on ${table} (at);
  create index ${index('route')} on ${table} (md5(route), at) where route is not null;`,
    ],
  }
}

/** The rights of a service that writes a history and reads it. */
export function historyRoleOf(place: Place, role: string): string {
  const { schema, version } = tablesOf(place)
  const name = identifier(role)
  return `${createRole(role)}
grant usage on schema ${schema} to ${name};
grant select on ${version} to ${name};
grant select, insert, delete on ${historyOf(place).table} to ${name};
`
}

/** The rights of a service that does not make the tables itself: no more than it uses. */
export function roleOf(place: Place, role: string): string {
  const { schema, state, nodes, documents, version } = tablesOf(place)
  const name = identifier(role)
  return `${createRole(role)}
grant usage on schema ${schema} to ${name};
grant select on ${version} to ${name};
grant select, insert, update, delete on ${state}, ${nodes}, ${documents} to ${name};
`
}

const createRole = (role: string): string => `do $atrion$
begin
  if not exists (select from pg_roles where rolname = ${literal(role)}) then
    create role ${identifier(role)} login nosuperuser nocreatedb nocreaterole noinherit;
  end if;
end
$atrion$;`
