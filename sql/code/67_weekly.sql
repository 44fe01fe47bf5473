-- The weekly report: the noisiest rules, disks that fill, hosts that nobody sees, and the statement that mends each.

create or replace function pgvigil.noisy_rules(p_groups text[], p_as_of timestamptz)
returns table (
    metric text, title text, scope text, threshold_id bigint, incidents bigint, mails bigint, worst text, remaining bigint, statement text
)
language sql
stable
set search_path = pg_temp
as $$
    with incident as (
        select
            a.threshold_id,
            a.metric,
            h.host_name || coalesce(' ' || nullif(a.resource, h.host_name), '') as series,
            extract(epoch from coalesce(a.resolved_at, p_as_of) - a.fired_at)::float8 as seconds,
            (
                select count(*) from pgvigil.alert_event as e
                where e.host_id = a.host_id and e.alert_id = a.alert_id and e.mail_event is not null
            ) as mails
        from pgvigil.alert as a
        inner join pgvigil.host as h on h.host_id = a.host_id
        where
            a.fired_at > p_as_of - interval '7 days'
            and a.fired_at <= p_as_of
            and not a.is_shadow
            and a.log_table is not null
            and (p_groups is null or h.groups && p_groups)
    ),

    noisy as (
        select
            i.threshold_id,
            count(*) as incidents,
            sum(i.mails)::bigint as mails,
            mode() within group (order by i.series) as worst,
            -- four of five would have been over by then; in whole minutes
            60 * ceil(percentile_disc(0.8) within group (order by i.seconds) / 60) as wait
        from incident as i
        group by i.threshold_id
        having count(*) >= 3
    )

    select
        t.metric,
        m.title,
        coalesce('host ' || t.host_name, 'group ' || t.host_group, '') || coalesce(' ' || t.resource, ''),
        t.threshold_id,
        n.incidents,
        n.mails,
        n.worst,
        (select count(*) from incident as i where i.threshold_id = t.threshold_id and i.seconds > n.wait),
        format(
            'update pgvigil.threshold set hold = %L where threshold_id = %s;',
            least(t.hold + n.wait * interval '1 second', interval '1 day'), t.threshold_id
        )
    from noisy as n
    inner join pgvigil.threshold as t on t.threshold_id = n.threshold_id
    inner join pgvigil.metric as m on m.metric = t.metric
    order by n.mails desc, n.incidents desc, t.threshold_id
    limit 5
$$;
comment on function pgvigil.noisy_rules(text[], timestamptz) is 'The rules that mailed most in a week, each with the hold that four of five of their incidents would not have outlasted, and how many would be left.';


create or replace function pgvigil.filling_disks(p_groups text[], p_as_of timestamptz)
returns table (
    host_name text, resource text, usage double precision, days_left double precision, bytes_per_day double precision,
    statement text
)
language sql
stable
set search_path = pg_temp
as $$
    select
        h.host_name,
        d.disk_name,
        n.disk_usage::float8,
        n.available_bytes / g.bytes_per_day,
        g.bytes_per_day,
        format(
            'insert into pgvigil.threshold (metric, host_name, resource, warning, critical)'
            ' values (''disk_full_in'', %L, %L, 7 * 86400, 86400);',
            h.host_name, replace(replace(replace(d.disk_name, '\', '\\'), '%', '\%'), '_', '\_')
        )
    from pgvigil.host as h
    inner join pgvigil.disk_info as d on d.host_id = h.host_id and not d.is_deleted
    cross join lateral (
        select l.created_at, l.used_bytes, l.available_bytes, l.disk_usage
        from pgvigil.disk_log as l
        where
            l.host_id = h.host_id
            and l.disk_name = d.disk_name
            and l.created_at > p_as_of - interval '1 day'
            and l.created_at <= p_as_of
        order by l.created_at desc
        limit 1
    ) as n
    cross join lateral (
        -- the mean of an hour stands for its middle
        select l.bucket_at + interval '30 minutes' as created_at, l.used_bytes
        from pgvigil.disk_rollup_1h as l
        where
            l.host_id = h.host_id
            and l.resource = d.disk_name
            and l.bucket_at > p_as_of - interval '7 days'
            and l.bucket_at <= p_as_of - interval '12 hours'
        order by l.bucket_at
        limit 1
    ) as o
    cross join lateral (
        select
            (n.used_bytes - o.used_bytes)
            / nullif(extract(epoch from n.created_at - o.created_at), 0) * 86400.0 as bytes_per_day
    ) as g
    where
        not h.is_deleted
        and (p_groups is null or h.groups && p_groups)
        and g.bytes_per_day > 0
        and n.available_bytes / g.bytes_per_day <= 30
    order by n.available_bytes / g.bytes_per_day
    limit 10
$$;
comment on function pgvigil.filling_disks(text[], timestamptz) is 'Disks that are full within 30 days if they go on as they did in the last week (or as much of it as there is), and the rule that would tell a week ahead.';


create or replace function pgvigil.unseen_hosts(p_groups text[], p_as_of timestamptz)
returns table (host_name text, last_seen_at timestamptz, statement text)
language sql
stable
set search_path = pg_temp
as $$
    select
        h.host_name,
        pgvigil.seen_at(h.host_id, p_as_of),
        format('update pgvigil.host set expected = false where host_name = %L;', h.host_name)
    from pgvigil.host as h
    where
        h.expected
        and not h.is_deleted
        and h.created_at < p_as_of - interval '1 day'
        and coalesce(pgvigil.seen_at(h.host_id, p_as_of), '-infinity') < p_as_of - interval '1 day'
        and (p_groups is null or h.groups && p_groups)
    order by 2 nulls first, 1
$$;
comment on function pgvigil.unseen_hosts(text[], timestamptz) is 'Hosts that should report and never did (last_seen_at is null), or have not for a day.';


create or replace function pgvigil.weekly_report(p_groups text[], p_as_of timestamptz)
returns jsonb
language sql
stable
set search_path = pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'since', p_as_of - interval '7 days',
        'until', p_as_of,
        'rules', (select jsonb_agg(to_jsonb(r)) from pgvigil.noisy_rules(p_groups, p_as_of) as r),
        'disks', (select jsonb_agg(to_jsonb(d)) from pgvigil.filling_disks(p_groups, p_as_of) as d),
        'hosts', (
            -- a list that nobody reads to its end helps nobody
            select jsonb_agg(to_jsonb(h)) from (select u.* from pgvigil.unseen_hosts(p_groups, p_as_of) as u limit 20) as h
        ),
        'host_count', (select nullif(count(*), 0) from pgvigil.unseen_hosts(p_groups, p_as_of)),
        'addresses', (
            select jsonb_agg(jsonb_build_object(
                'address', a.resource,
                'detail', a.detail,
                'statement',
                format('update pgvigil.recipient set is_enabled = false where address = %L;', a.resource)
            ) order by a.resource)
            from pgvigil.alert as a
            where a.metric = 'mail_undeliverable' and a.resolved_at is null
        )
    ))
$$;
comment on function pgvigil.weekly_report(text[], timestamptz) is 'What the weekly report says about the hosts of these groups (null = all): select jsonb_pretty(pgvigil.weekly_report(null, now()));';


create or replace function pgvigil.write_weekly_reports(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_reader record;
    v_report jsonb;
begin
    for v_reader in
        select w.address, w.language, w.time_zone, w.groups
        from (
            select
                r.address,
                (array_agg(r.language order by r.recipient_id))[1] as language,
                (array_agg(r.time_zone order by r.recipient_id))[1] as time_zone,
                min(r.created_at) as created_at,
                case when bool_and(r.host_group is not null) then array_agg(r.host_group) end as groups
            from pgvigil.recipient as r
            where r.is_enabled and r.weekly
            group by r.address
        ) as w
        cross join lateral (
            select
                (
                    date_trunc('week', p_as_of at time zone w.time_zone)
                    + pgvigil.setting('weekly_report_after')::interval
                ) at time zone w.time_zone as at
        ) as d
        left join pgvigil.mailbox as b on b.address = w.address
        where
            p_as_of >= d.at
            -- a mailer that comes back on Thursday writes none
            and p_as_of < d.at + interval '12 hours'
            and w.created_at < d.at
            and coalesce(b.weekly_at, '-infinity') < d.at
    loop
        insert into pgvigil.mailbox as b (address, weekly_at) values (v_reader.address, p_as_of)
        on conflict (address) do update set weekly_at = excluded.weekly_at;
        v_report := pgvigil.weekly_report(v_reader.groups, p_as_of);
        continue when not v_report ?| array['rules', 'disks', 'hosts', 'addresses'];
        insert into pgvigil.mail (
            host_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, detail
        )
        select
            min(h.host_id), 'weekly', 'warning', 0, 0, p_as_of, v_reader.address, v_reader.language, v_reader.time_zone,
            p_as_of, v_report::text
        from pgvigil.host as h
        -- no host, nothing to tell
        having count(*) > 0;
    end loop;
end
$$;
comment on function pgvigil.write_weekly_reports(timestamptz) is 'Writes the weekly reports that are due, each on the Monday morning of its recipient.';
