-- What the dashboard "pgvigil itself" selects: is the watcher well? Sizes and dead rows come from PostgreSQL's own statistics.

create function dashboard.mail_series(p_from timestamptz, p_to timestamptz, p_points integer default 60)
returns table ("time" timestamptz, sent bigint, failed bigint, waiting bigint, delivery_seconds double precision)
language sql
stable
security definer
set search_path = pg_temp
as $$
    select
        b.at,
        n.sent,
        n.failed,
        n.written - n.sent - n.failed,
        extract(epoch from n.longest)::float8
    from dashboard.part(p_from, p_to, p_points) as b
    cross join lateral (
        select
            count(*) as written,
            count(m.sent_at) as sent,
            count(m.failed_at) as failed,
            max(m.sent_at - m.created_at) as longest
        from pgvigil.mail as m
        where m.created_at >= b.at and m.created_at < b.until
    ) as n
    order by b.at
$$;
comment on function dashboard.mail_series(timestamptz, timestamptz, integer) is 'Of the mails written in each part of the time: how many were sent, given up, still wait; and the longest delivery.';


create view dashboard.outbox as
select
    count(*) filter (where m.sent_at is null and m.failed_at is null) as waiting,
    count(*) filter (where m.sent_at is null and m.failed_at is null and m.attempts > 0) as retrying,
    coalesce(extract(epoch from statement_timestamp() - min(m.created_at) filter (
        where m.sent_at is null and m.failed_at is null
    )), 0)::float8 as oldest_seconds,
    count(*) filter (where m.failed_at > statement_timestamp() - interval '1 day') as failed_in_a_day,
    count(*) filter (where m.sent_at > statement_timestamp() - interval '1 day') as sent_in_a_day
from pgvigil.mail as m
where
    (m.sent_at is null and m.failed_at is null)
    or m.created_at > statement_timestamp() - interval '2 days';
comment on view dashboard.outbox is 'The mails that wait, and what became of those of the last day: one row.';
comment on column dashboard.outbox.waiting is 'Not sent yet.';
comment on column dashboard.outbox.retrying is 'Of these, tried in vain at least once.';
comment on column dashboard.outbox.oldest_seconds is 'How long the oldest of them waits.';
comment on column dashboard.outbox.failed_in_a_day is 'Given up in the last 24 hours.';
comment on column dashboard.outbox.sent_in_a_day is 'Accepted by the SMTP server in the last 24 hours.';


create view dashboard.upkeep as
select
    u.task,
    u.done_at,
    extract(epoch from statement_timestamp() - u.done_at)::float8 as age_seconds,
    u.since,
    u.error
from pgvigil.upkeep as u;
comment on view dashboard.upkeep is 'When tick(), which a mailer calls every few seconds, last did what.';
comment on column dashboard.upkeep.task is 'What.';
comment on column dashboard.upkeep.done_at is 'When.';
comment on column dashboard.upkeep.age_seconds is 'How long ago.';
comment on column dashboard.upkeep.since is 'Since when without a break.';
comment on column dashboard.upkeep.error is 'Why it failed then.';


create view dashboard.agent_problem as
select
    h.host_name,
    p.problem,
    p.subject,
    p.detail,
    p.occurrences,
    p.started_at,
    p.last_at
from pgvigil.agent_problem as p
inner join pgvigil.host as h on h.host_id = p.host_id and not h.is_deleted;
comment on view dashboard.agent_problem is 'What agents reported of themselves: collectors that fail, mounts that hang, samples that the spool dropped or the server refused.';
comment on column dashboard.agent_problem.host_name is 'The host.';
comment on column dashboard.agent_problem.problem is 'What kind.';
comment on column dashboard.agent_problem.subject is 'What it happened to.';
comment on column dashboard.agent_problem.detail is 'The error in words.';
comment on column dashboard.agent_problem.occurrences is 'How often.';
comment on column dashboard.agent_problem.started_at is 'When it began.';
comment on column dashboard.agent_problem.last_at is 'When it happened last.';


create view dashboard.rule_error as
select
    e.created_at as time,
    h.host_name,
    e.metric,
    e.resource,
    e.threshold_id,
    e.message,
    e.handled_at
from pgvigil.rule_error as e
left join pgvigil.host as h on h.host_id = e.host_id;
comment on view dashboard.rule_error is 'Rules that raised an error instead of a verdict, and were switched off.';
comment on column dashboard.rule_error.time is 'When.';
comment on column dashboard.rule_error.host_name is 'Whose sample was judged.';
comment on column dashboard.rule_error.metric is 'What was judged.';
comment on column dashboard.rule_error.resource is 'On which resource.';
comment on column dashboard.rule_error.threshold_id is 'The rule.';
comment on column dashboard.rule_error.message is 'What PostgreSQL said.';
comment on column dashboard.rule_error.handled_at is 'When the rule was switched off.';


create view dashboard.storage as
select
    r.relname::text as table_name,
    count(p.oid) as partitions,
    min(b.bounds[1]::timestamptz) as oldest_at,
    max(b.bounds[2]::timestamptz) as newest_until,
    extract(epoch from max(b.bounds[2]::timestamptz) - statement_timestamp())::float8 as ahead_seconds,
    sum(pg_total_relation_size(coalesce(p.oid, r.oid)))::bigint as bytes,
    sum(greatest(c.reltuples, 0))::bigint as rows,
    sum(s.n_dead_tup)::bigint as dead_rows,
    (100 * sum(s.n_dead_tup) / nullif(sum(s.n_live_tup + s.n_dead_tup), 0))::float8 as dead_percent,
    max(greatest(s.last_autovacuum, s.last_vacuum)) as vacuumed_at
from pg_catalog.pg_class as r
left join pg_catalog.pg_inherits as i on i.inhparent = r.oid
left join pg_catalog.pg_class as p on p.oid = i.inhrelid
inner join pg_catalog.pg_class as c on c.oid = coalesce(p.oid, r.oid)
left join pg_catalog.pg_stat_all_tables as s on s.relid = c.oid
left join lateral regexp_match(
    pg_get_expr(p.relpartbound, p.oid), $$FROM \('([^']+)'\) TO \('([^']+)'\)$$
) as b (bounds) on true
where r.relnamespace = 'pgvigil'::regnamespace and r.relkind in ('r', 'p')
group by r.relname;
comment on view dashboard.storage is 'Each table with all its partitions: how large, how far the partitions reach, how many dead rows.';
comment on column dashboard.storage.table_name is 'Name of the table in schema pgvigil.';
comment on column dashboard.storage.partitions is 'Number of its partitions, 0 if it has none.';
comment on column dashboard.storage.oldest_at is 'Begin of the oldest partition.';
comment on column dashboard.storage.newest_until is 'End of the newest partition: later samples are refused.';
comment on column dashboard.storage.ahead_seconds is 'How far that is away.';
comment on column dashboard.storage.bytes is 'Size with indexes and TOAST (bytes).';
comment on column dashboard.storage.rows is 'Rows, as the planner estimates them.';
comment on column dashboard.storage.dead_rows is 'Rows that VACUUM has still to take away.';
comment on column dashboard.storage.dead_percent is 'Their share (%).';
comment on column dashboard.storage.vacuumed_at is 'Last VACUUM of any of its partitions.';
