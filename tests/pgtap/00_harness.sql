-- The ground that every other file stands on: server version, pgTAP in its own schema, our schema, another role.
begin;
select plan(6);

select cmp_ok(current_setting('server_version_num')::int, '>=', 150000, 'the server is PostgreSQL 15 or newer');
select is(current_setting('search_path'), 'tap', 'only pgTAP is in the search_path');
select has_function('tap', 'throws_ok', 'pgTAP is in the schema tap');
select hasnt_function('public', 'throws_ok', 'pgTAP is nowhere else');
select has_table('pgvigil', 'schema_migration', 'the database is migrated');

set local role pgvigil_reader;
select is(current_user, 'pgvigil_reader'::name, 'pgTAP works in another role');
reset role;

select * from finish();
rollback;
