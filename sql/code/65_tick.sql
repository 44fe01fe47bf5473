-- What only time reveals. Mailers call this every few seconds; whoever comes first does the work.

create or replace function pgvigil.tick(p_as_of timestamptz)
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
    if not pg_try_advisory_xact_lock(hashtext('pgvigil.tick')) then
        return false;
    end if;
    perform pgvigil.ensure_partitions(p_as_of);
    perform pgvigil.drop_expired_partitions(p_as_of);
    return true;
end
$$;
comment on function pgvigil.tick(timestamptz) is 'The upkeep that is due: partitions and retention. Returns false if another session is at it.';
