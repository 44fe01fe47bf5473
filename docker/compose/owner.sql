-- The role that owns the schema. It may make roles, and is no superuser.
\set password `cat /run/secrets/postgres/owner`
select 'create role pgvigil_owner login createrole'
where not exists (select from pg_catalog.pg_roles where rolname = 'pgvigil_owner') \gexec
alter role pgvigil_owner password :'password';
alter database pgvigil owner to pgvigil_owner;
