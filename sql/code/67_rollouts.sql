-- What the playbook reports: it asks for samples of a host after each new release, and says here how that went.

create or replace function pgvigil.report_rollout(
    p_host_name text, p_service text, p_failure text default null, p_as_of timestamptz default statement_timestamp()
)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_host_id integer;
begin
    select h.host_id into v_host_id from pgvigil.host as h where h.host_name = p_host_name;
    if not found then
        raise exception 'there is no host %', p_host_name using hint = 'select host_name from pgvigil.host;';
    end if;
    perform pgvigil.lock_host(v_host_id);
    if p_failure is not null or pgvigil.has_open_alert(v_host_id, 'rollout_failed', p_service) then
        perform pgvigil.judge_derived(
            v_host_id, 'rollout_failed', p_service, (p_failure is not null)::integer, p_as_of, p_failure
        );
    end if;
end
$$;
comment on function pgvigil.report_rollout(text, text, text, timestamptz) is 'Tells how a new release of a service went on a host: with words it failed, and that is mailed; without, it works, and what had failed before is resolved.';
