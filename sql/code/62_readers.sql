-- A reader's login is in Grafana, an agent's on its host, and a stolen one must not hold up the upkeep: rollups wait for
-- every transaction that may still write. Limits that a login sets for itself are no limits, so tick() ends what takes too long.

create or replace function pgvigil.end_long_reads(p_as_of timestamptz)
returns integer
language sql
set search_path = pg_temp
as $$
    select count(*)::integer
    from (
        select pg_terminate_backend(s.pid)
        from pg_catalog.pg_stat_activity as s
        inner join pg_catalog.pg_roles as r on r.oid = s.usesysid
        where
            s.datname = current_database()
            and s.pid <> pg_backend_pid()
            -- of the server's clock: who plays the future ends nothing of today
            and s.xact_start < least(p_as_of, clock_timestamp()) - pgvigil.setting('reader_limit')::interval
            and not r.rolsuper
            and (pg_has_role(s.usesysid, 'pgvigil_reader', 'member') or pg_has_role(s.usesysid, 'pgvigil_agent', 'member'))
            -- not who merely may grant the role, nor where the owner of the schema may not signal
            and not pg_has_role(s.usesysid, 'pgvigil_operator', 'member')
            and not pg_has_role(s.usesysid, current_user, 'member')
            and (pg_has_role(current_user, s.usesysid, 'usage') or pg_has_role(current_user, 'pg_signal_backend', 'usage'))
    ) as e
$$;
comment on function pgvigil.end_long_reads(timestamptz) is 'Ends the transactions of readers and agents that take longer than reader_limit; needs the membership pg_signal_backend unless the schema is a superuser''s.';
