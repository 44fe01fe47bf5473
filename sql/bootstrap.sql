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
