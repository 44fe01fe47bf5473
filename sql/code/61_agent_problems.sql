-- What an agent reports of itself, in the transaction of a sample.

create or replace function pgvigil.record_agent_problems(p_host_id integer, p_problems jsonb)
returns void
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    if not pgvigil.is_own_host(p_host_id) then
        raise insufficient_privilege using message = format('host_id %s does not belong to the login %s', p_host_id, session_user);
    end if;
    insert into pgvigil.agent_problem as t (host_id, problem, subject, detail, occurrences, started_at, last_at)
    select
        p_host_id, left(p.problem, 100), left(p.subject, 300), left(p.detail, 2000), p.occurrences, p.started_at, greatest(p.last_at, p.started_at)
    from jsonb_to_recordset(p_problems) as p (
        problem text, subject text, detail text, occurrences bigint, started_at timestamptz, last_at timestamptz
    )
    on conflict (host_id, problem, subject) do update
        set
            detail = excluded.detail,
            -- told twice it counts once
            occurrences = case
                when t.started_at = excluded.started_at then greatest(t.occurrences, excluded.occurrences)
                else excluded.occurrences
            end,
            started_at = excluded.started_at,
            last_at = excluded.last_at;
end
$$;
comment on function pgvigil.record_agent_problems(integer, jsonb) is 'Notes what went wrong in an agent; the same report twice changes nothing.';


create or replace function pgvigil.watch_agent_problems(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_problem record;
begin
    for v_problem in
        select
            p.host_id,
            p.problem || ' ' || p.subject as resource,
            p.detail,
            -- Both by the clock of the host: it is over when newer samples came without it. Where memory cannot be
            -- measured there are none, and where the host is silent nothing is known.
            (p.last_at >= coalesce(n.created_at - 3 * h.sample_interval, '-infinity'))::integer as value
        from pgvigil.agent_problem as p
        inner join pgvigil.host as h on h.host_id = p.host_id and not h.is_deleted
        left join lateral (
            select l.created_at
            from pgvigil.memory_log as l
            where l.host_id = p.host_id
            order by l.created_at desc
            limit 1
        ) as n on true
        order by p.host_id, resource
    loop
        continue when not (
            v_problem.value = 1 or pgvigil.has_open_alert(v_problem.host_id, 'agent_problem', v_problem.resource)
        );
        continue when not pgvigil.try_lock_host(v_problem.host_id);
        perform pgvigil.judge_derived(
            v_problem.host_id, 'agent_problem', v_problem.resource, v_problem.value, p_as_of, v_problem.detail
        );
    end loop;
end
$$;
comment on function pgvigil.watch_agent_problems(timestamptz) is 'Judges what agents reported of themselves: 1 while it goes on, 0 once newer samples came without it.';
