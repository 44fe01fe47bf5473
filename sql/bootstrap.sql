-- What the runner itself needs; applied before anything else, each time.

create schema if not exists pgvigil;
comment on schema pgvigil is 'Host monitoring: samples, threshold rules, alerts and the outbox of mails. Tune pgvigil.threshold, pgvigil.recipient and pgvigil.setting; read dashboard.*.';

create table if not exists pgvigil.schema_migration (
    name text not null,
    sha256 text not null,
    applied_by text not null,
    applied_at timestamptz not null default now(),
    constraint schema_migration_pkey primary key (name)
);
comment on table pgvigil.schema_migration is 'What `pgvigil db migrate` applied.';
comment on column pgvigil.schema_migration.name is 'File in sql/migrations, or code for all of sql/code.';
comment on column pgvigil.schema_migration.sha256 is 'Hash of the file when it was applied: an edited migration is refused.';
comment on column pgvigil.schema_migration.applied_by is 'Version of pgvigil that applied it.';
comment on column pgvigil.schema_migration.applied_at is 'When.';

-- Migrations meet no triggers, on a database that is in use as on a fresh one: those that are there are of the version that
-- was installed, and may not fit the tables any more. sql/code, which always follows, makes them anew.
do $$
declare
    v_trigger record;
begin
    for v_trigger in
        select t.tgname, t.tgrelid::regclass as of_table
        from pg_catalog.pg_trigger as t
        where
            not t.tgisinternal
            and t.tgrelid in (
                to_regclass('pgvigil.metric'), to_regclass('pgvigil.threshold'), to_regclass('pgvigil.setting'),
                to_regclass('pgvigil.recipient'), to_regclass('pgvigil.silence'), to_regclass('pgvigil.host')
            )
    loop
        execute format('drop trigger %I on %s', v_trigger.tgname, v_trigger.of_table);
    end loop;
end;
$$;
