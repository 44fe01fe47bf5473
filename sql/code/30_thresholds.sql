-- Which rule judges what: the candidates of a series in order, the winner, and the gate derived from them.

create or replace view pgvigil.resource as
select c.host_id, 'cpu_log'::text as log_table, c.cpu_name as resource, c.is_deleted, c.updated_at from pgvigil.cpu_info as c
union all
select m.host_id, 'memory_log', m.memory_name, m.is_deleted, m.updated_at from pgvigil.memory_info as m
union all
select d.host_id, 'disk_log', d.disk_name, d.is_deleted, d.updated_at from pgvigil.disk_info as d
union all
select n.host_id, 'network_log', n.network_interface, n.is_deleted, n.updated_at from pgvigil.network_info as n;
comment on view pgvigil.resource is 'Every CPU, memory, disk and interface of every host, by the log table that holds its samples.';
comment on column pgvigil.resource.host_id is 'The host.';
comment on column pgvigil.resource.log_table is 'The log table.';
comment on column pgvigil.resource.resource is 'Its name there.';
comment on column pgvigil.resource.is_deleted is 'Gone from the host.';
comment on column pgvigil.resource.updated_at is 'Last change.';


create or replace function pgvigil.rank_thresholds(p_host_id integer, p_metric text, p_resource text)
returns table (
    threshold_id bigint,
    rank bigint,
    scope text,
    mode text,
    remind_every interval,
    alert_limit pgvigil.alert_limit
)
language sql
stable
as $$
    select
        t.threshold_id,
        row_number() over (
            order by
                case
                    when t.host_name is not null and t.resource is not null then 1
                    when t.host_name is not null then 2
                    when t.host_group is not null and t.resource is not null then 3
                    when t.host_group is not null then 4
                    when t.resource is not null then 5
                    else 6
                end,
                case t.managed_by when 'sql' then 1 when 'ansible' then 2 else 3 end,
                -- the name itself says more than any pattern, a longer pattern more than a shorter one;
                -- of two groups of a host the first by name
                t.resource = p_resource desc nulls last,
                length(t.resource) desc nulls last,
                t.host_group,
                t.threshold_id
        ),
        concat_ws(
            ', ',
            coalesce('host ' || t.host_name, 'group ' || t.host_group, 'all hosts'),
            'resource ' || t.resource,
            t.managed_by
        ),
        t.mode,
        t.remind_every,
        (
            m.direction,
            t.warning,
            t.critical,
            coalesce(t.clear_band, 0.05 * abs(coalesce(t.warning, t.critical))),
            t.hold,
            -- what tick() derives comes when tick() comes
            case
                when m.log_table is null then interval '1 hour'
                else h.sample_interval * pgvigil.setting('gap_intervals')::integer
            end
        )::pgvigil.alert_limit
    from pgvigil.host as h
    cross join pgvigil.metric as m
    inner join pgvigil.threshold as t on t.metric = m.metric
    where
        h.host_id = p_host_id
        and m.metric = p_metric
        and (t.host_name is null or t.host_name = h.host_name)
        and (t.host_group is null or t.host_group = any(h.groups))
        and (t.resource is null or p_resource like t.resource)
$$;
comment on function pgvigil.rank_thresholds(integer, text, text) is 'The rules that could judge this series, the winner first (rank 1), each with its limits.';


create or replace view pgvigil.effective_threshold as
select
    h.host_name,
    s.metric,
    s.resource,
    w.threshold_id,
    w.scope,
    w.mode,
    (w.alert_limit).warning,
    (w.alert_limit).critical,
    (w.alert_limit).clear_band,
    (w.alert_limit).hold,
    s.direction,
    s.unit,
    h.host_id
from pgvigil.host as h
cross join
    lateral (
        select m.metric, r.resource, m.direction, m.unit
        from pgvigil.resource as r
        inner join pgvigil.metric as m
            on
                m.log_table = r.log_table
                or m.metric = 'disk_full_in' and r.log_table = 'disk_log'
                or m.metric = 'resource_vanished' and r.log_table in ('disk_log', 'network_log')
        where r.host_id = h.host_id and not r.is_deleted and m.is_enabled
        union all
        select m.metric, case m.metric when 'clock_skew' then 'clock' else 'host' end, m.direction, m.unit
        from pgvigil.metric as m
        where m.metric in ('clock_skew', 'host_silence') and m.is_enabled
    ) as s
cross join pgvigil.rank_thresholds(h.host_id, s.metric, s.resource) as w
where w.rank = 1 and not h.is_deleted;
comment on view pgvigil.effective_threshold is 'Which rule judges what: for every host, metric and resource the row of pgvigil.threshold that won, with its limits.';
comment on column pgvigil.effective_threshold.host_name is 'The host.';
comment on column pgvigil.effective_threshold.metric is 'What is judged.';
comment on column pgvigil.effective_threshold.resource is 'On which CPU, memory, disk or interface; host or clock of what concerns the host as a whole.';
comment on column pgvigil.effective_threshold.threshold_id is 'The rule that won.';
comment on column pgvigil.effective_threshold.scope is 'Why it won: its scope, and who keeps it.';
comment on column pgvigil.effective_threshold.mode is 'armed, shadow or off.';
comment on column pgvigil.effective_threshold.warning is 'Limit of the warning.';
comment on column pgvigil.effective_threshold.critical is 'Limit of the critical level.';
comment on column pgvigil.effective_threshold.clear_band is 'How far the value must come back.';
comment on column pgvigil.effective_threshold.hold is 'How long it must stay over the limit.';
comment on column pgvigil.effective_threshold.direction is 'Whether a breach is above or below the limit.';
comment on column pgvigil.effective_threshold.unit is 'Unit of the limits.';
comment on column pgvigil.effective_threshold.host_id is 'Key of the host.';


create or replace function pgvigil.refresh_gate(p_host_id integer default null)
returns void
language plpgsql
security definer
set search_path = pg_temp
-- compiling it takes a hundred times longer than running it
set jit = off
as $$
begin
    if p_host_id is null then
        -- Of two changes at once the second must see the first: its gate would forget it otherwise. A host that
        -- registers takes no lock that others wait for; what it does not see is made good by refresh_gates().
        perform pgvigil.lock_host(0);
    end if;
    with limits as (
        select
            h.host_id,
            p.log_table,
            p.position,
            -- also as a column of type real rounds it: what just reaches the limit must pass
            min(least(t.warning, t.critical, t.warning::real, t.critical::real))
            filter (where m.direction = 'above') as above,
            max(greatest(t.warning, t.critical, t.warning::real, t.critical::real))
            filter (where m.direction = 'below') as below
        from pgvigil.host as h
        cross join (
            select x.log_table, generate_series(1, max(x.position)) as position
            from pgvigil.metric as x
            where x.log_table is not null
            group by x.log_table
        ) as p
        left join pgvigil.metric as m on m.log_table = p.log_table and m.position = p.position and m.is_enabled
        left join pgvigil.threshold as t
            on
                t.metric = m.metric
                and t.mode <> 'off'
                and (t.host_name is null or t.host_name = h.host_name)
                and (t.host_group is null or t.host_group = any(h.groups))
        where (p_host_id is null or h.host_id = p_host_id) and not h.is_deleted
        group by h.host_id, p.log_table, p.position
    ),

    wanted as materialized (
        select
            l.host_id,
            l.log_table,
            array_agg(l.above order by l.position) as above,
            array_agg(l.below order by l.position) as below
        from limits as l
        group by l.host_id, l.log_table
    ),

    changed as materialized (
        select w.*
        from wanted as w
        inner join pgvigil.gate as g on g.host_id = w.host_id and g.log_table = w.log_table and not g.has_open_alert
        where (g.above, g.below) is distinct from (w.above, w.below)
        -- whoever has it locked is a host that registers, perhaps for as long as it likes
        for update of g skip locked
    ),

    updated as (
        update pgvigil.gate as g
        set above = c.above, below = c.below
        from changed as c
        where g.host_id = c.host_id and g.log_table = c.log_table and not g.has_open_alert
    )

    insert into pgvigil.gate (host_id, log_table, above, below)
    select w.host_id, w.log_table, w.above, w.below
    from wanted as w
    where not exists (
        select from pgvigil.gate as g
        where g.host_id = w.host_id and g.log_table = w.log_table and not g.has_open_alert
    )
    on conflict do nothing;
end
$$;
comment on function pgvigil.refresh_gate(integer) is 'Derives the gate anew, of one host or of all.';


create or replace function pgvigil.refresh_gates(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    if pgvigil.try_lock_host(0) then
        perform pgvigil.refresh_gate();
    end if;
end
$$;
comment on function pgvigil.refresh_gates(timestamptz) is 'Makes good what a host that registered while a rule was changed did not see of it.';


create or replace function pgvigil.sweep_gate(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_mark record;
begin
    -- Of what is pending and gone no sample comes that could end it. After a gap hold begins anew in any case.
    delete from pgvigil.alert as a
    using pgvigil.host as h
    where
        h.host_id = a.host_id
        and a.resolved_at is null
        and a.state = 'pending'
        and a.log_table is not null
        and a.updated_at < p_as_of - interval '1 day' - h.sample_interval * pgvigil.setting('gap_intervals')::integer
        and pgvigil.try_lock_host(a.host_id);

    for v_mark in
        select g.host_id, g.log_table
        from pgvigil.gate as g
        where g.has_open_alert and not exists (
            select from pgvigil.alert as a
            where a.host_id = g.host_id and a.log_table = g.log_table
                -- what ended just now often comes back
                and (a.resolved_at is null or a.updated_at > p_as_of - interval '1 minute')
        )
        order by g.host_id
    loop
        -- Whoever holds the lock may be opening an alert; the next time is soon enough.
        continue when not pgvigil.try_lock_host(v_mark.host_id);
        delete from pgvigil.gate as g
        where g.host_id = v_mark.host_id and g.log_table = v_mark.log_table and g.has_open_alert
            and not exists (
                select from pgvigil.alert as a
                where a.host_id = g.host_id and a.log_table = g.log_table and a.resolved_at is null
            );
    end loop;
end
$$;
comment on function pgvigil.sweep_gate(timestamptz) is 'Removes what is pending though no sample comes any more, and the marks of open_alert() where no alert is open any more. Until then they only cost time.';


create or replace function pgvigil.tg_threshold__refresh_gate()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    perform pgvigil.refresh_gate();
    return null;
end
$$;
comment on function pgvigil.tg_threshold__refresh_gate() is 'Trigger of pgvigil.threshold: a changed rule moves the gate.';

create or replace trigger _500_refresh_gate
after insert or update or delete or truncate on pgvigil.threshold
for each statement execute function pgvigil.tg_threshold__refresh_gate();


create or replace function pgvigil.tg_host__refresh_gate()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    if
        tg_op = 'UPDATE'
        and (old.host_name, old.groups, old.is_deleted) is not distinct from (new.host_name, new.groups, new.is_deleted)
    then
        return null;
    end if;
    insert into pgvigil.host_lock (host_id) values (new.host_id) on conflict do nothing;
    perform pgvigil.refresh_gate(new.host_id);
    if new.is_deleted then
        -- A retired host is not watched: what is open there ends.
        delete from pgvigil.gate as g where g.host_id = new.host_id;
        perform pgvigil.cancel_alert(a)
        from pgvigil.alert as a
        where a.host_id = new.host_id and a.resolved_at is null;
    end if;
    return null;
end
$$;
comment on function pgvigil.tg_host__refresh_gate() is 'Trigger of pgvigil.host: a new host, name or group moves its gate; a retired one is not judged.';

create or replace trigger _500_refresh_gate
after insert or update of host_name, groups, is_deleted on pgvigil.host
for each row execute function pgvigil.tg_host__refresh_gate();
