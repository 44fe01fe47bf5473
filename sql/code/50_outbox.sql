-- The outbox: who is mailed, and how a mailer claims, sends and marks. A mail is written in the transaction of the
-- sample that caused it; it is claimed with a lease, sent outside any transaction, then marked. At least once.

create or replace function pgvigil.who_gets(
    p_host_name text, p_metric text, p_severity text, p_at timestamptz default statement_timestamp()
)
returns table (address text, language text, time_zone text)
language plpgsql
stable
set search_path = ''
as $$
declare
    v_groups text [];
begin
    select h.groups into v_groups from pgvigil.host as h where h.host_name = p_host_name;
    if not found then
        raise exception 'there is no host %', p_host_name using hint = 'select host_name from pgvigil.host;';
    elsif not exists (select from pgvigil.metric as m where m.metric = p_metric) then
        raise exception 'there is no metric %', p_metric using hint = 'select metric from pgvigil.metric;';
    elsif p_severity not in ('warning', 'critical') then
        raise exception 'there is no severity %', p_severity using hint = 'warning or critical';
    end if;
    return query
    select distinct on (r.address) r.address, r.language, r.time_zone
    from pgvigil.recipient as r
    where
        r.is_enabled
        and (r.host_group is null or r.host_group = any(v_groups))
        and (r.metric is null or r.metric = p_metric)
        and (r.min_severity = 'warning' or p_severity = 'critical')
        and pgvigil.is_within(p_at, r.weekdays, r.from_time, r.to_time, r.time_zone)
    order by r.address, r.recipient_id;
end
$$;
comment on function pgvigil.who_gets(text, text, text, timestamptz) is 'Who is mailed when this metric of this host reaches this severity at this time.';


create or replace function pgvigil.deliver(p_alert pgvigil.alert, p_mail_event text, p_now timestamptz)
returns bigint
language plpgsql
set search_path = ''
as $$
declare
    v_silence_id bigint;
begin
    -- Who was told that it fires, before the rule went into shadow, is told that it ended.
    if p_mail_event is null or p_alert.is_shadow and p_mail_event not in ('resolved', 'cancelled') then
        return null;
    end if;
    v_silence_id := pgvigil.silenced_by(p_alert.host_id, p_alert.metric, p_alert.resource, p_now);
    if v_silence_id is null then
        -- what was withheld before is out of date
        update pgvigil.alert as a
        set withheld_event = null
        where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id and a.withheld_event is not null;
        perform pgvigil.queue_mail(p_alert, p_mail_event, p_now);
    else
        update pgvigil.alert as a
        set withheld_event = p_mail_event
        where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id;
    end if;
    return v_silence_id;
end
$$;
comment on function pgvigil.deliver(pgvigil.alert, text, timestamptz) is 'Mails an event, unless the rule is in shadow or a silence withholds it: then returns that silence.';


create or replace function pgvigil.note_event(
    p_alert pgvigil.alert, p_event text, p_mail_event text, p_at timestamptz, p_now timestamptz
)
returns void
language sql
set search_path = ''
as $$
    insert into pgvigil.alert_event (
        host_id, alert_id, event, mail_event, severity, value, at, is_shadow, silence_id, created_at
    )
    values (
        p_alert.host_id, p_alert.alert_id, p_event, p_mail_event, p_alert.severity, p_alert.value, p_at, p_alert.is_shadow,
        pgvigil.deliver(p_alert, p_mail_event, p_now), p_now
    )
$$;
comment on function pgvigil.note_event(pgvigil.alert, text, text, timestamptz, timestamptz) is 'Notes a change of an incident, and mails what it is worth.';


create or replace function pgvigil.queue_mail(p_alert pgvigil.alert, p_event text, p_now timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
    insert into pgvigil.mail (
        host_id, alert_id, event, severity, value, peak_value, sampled_at, address, language, time_zone, due_at, detail
    )
    select distinct on (w.address)
        p_alert.host_id, p_alert.alert_id, p_event, p_alert.severity, p_alert.value, p_alert.peak_value,
        p_alert.judged_at, w.address, w.language, w.time_zone, p_now, p_alert.detail
    from (
        -- Who has heard of this incident also hears how it goes on; who comes in by its severity hears of it then.
        select m.address, m.language, m.time_zone, m.mail_id
        from pgvigil.mail as m
        where m.host_id = p_alert.host_id and m.alert_id = p_alert.alert_id and p_event <> 'fired'
        union all
        select g.address, g.language, g.time_zone, null
        from pgvigil.host as h
        cross join lateral pgvigil.who_gets(h.host_name, p_alert.metric, p_alert.severity, p_now) as g
        where h.host_id = p_alert.host_id and p_event in ('fired', 'escalated', 'flapping', 'reminder')
    ) as w
    -- in the language of now, or else of the last mail
    order by w.address, w.mail_id desc nulls first;
end
$$;
comment on function pgvigil.queue_mail(pgvigil.alert, text, timestamptz) is 'Writes the mails of an event, one per recipient.';


create or replace function pgvigil.recent_values(
    p_host_id integer, p_metric text, p_resource text, p_until timestamptz, p_span interval, p_buckets integer
)
returns double precision[]
language plpgsql
stable
set search_path = ''
as $$
declare
    v_metric pgvigil.metric;
    v_values double precision [] := '{}';
begin
    select m.* into v_metric from pgvigil.metric as m where m.metric = p_metric;
    if not found then
        raise exception 'there is no metric %', p_metric using hint = 'select metric from pgvigil.metric;';
    elsif v_metric.log_table is null then
        -- what tick() derives has no samples
        return v_values;
    end if;
    execute (
        select
            format(
                'select array_agg(v.value order by b.bucket) from generate_series(1, $6) as b (bucket)'
                ' left join (select least(width_bucket(extract(epoch from l.created_at - ($4 - $5)), 0,'
                ' extract(epoch from $5), $6), $6) as bucket, %1$s(l.%2$I)::float8 as value from pgvigil.%3$I as l'
                ' where l.host_id = $1 and ($3 is null or l.%4$I = $3) and l.created_at > $4 - $5 and l.created_at <= $4'
                ' and not l.is_deleted group by 1) as v on v.bucket = b.bucket',
                case v_metric.direction when 'below' then 'min' else 'max' end,
                v_metric.column_name, t.log_table, t.resource_column
            )
        from pgvigil.log_table as t
        where t.log_table = v_metric.log_table
    )
    into v_values
    using p_host_id, p_metric, p_resource, p_until, p_span, p_buckets;
    return v_values;
end
$$;
comment on function pgvigil.recent_values(integer, text, text, timestamptz, interval, integer) is 'The worst value of each of so many equal parts of the time before, oldest first, null where there is none: a sparkline. Without a resource: the worst of all.';


create or replace function pgvigil.waits_for_another(p_mail pgvigil.mail)
returns boolean
language sql
stable
set search_path = ''
as $$
    select exists (
        select from pgvigil.mail as e
        where
            e.host_id = p_mail.host_id
            and e.alert_id = p_mail.alert_id
            and e.address = p_mail.address
            and e.mail_id < p_mail.mail_id
            and e.sent_at is null
            and e.failed_at is null
    )
$$;
comment on function pgvigil.waits_for_another(pgvigil.mail) is 'A thread arrives in its order, also when its first mail has to wait for a retry.';


create or replace function pgvigil.claim_mail(p_mailer text, p_limit integer, p_as_of timestamptz)
returns table (
    mail_id bigint,
    host_id integer,
    alert_id bigint,
    event text,
    severity text,
    address text,
    attempts integer,
    host_name text,
    metric text,
    metric_title text,
    unit text,
    direction text,
    resource text,
    sampled_at timestamptz,
    value double precision,
    peak_value double precision,
    fired_at timestamptz,
    warning double precision,
    critical double precision,
    hold_seconds double precision,
    threshold_id bigint,
    threshold_scope text,
    note text,
    time_zone text,
    language text,
    history double precision[],
    detail text,
    companions text[]
)
language sql
security definer
set search_path = ''
as $$
    with due as (
        select m.host_id, m.mail_id
        from pgvigil.mail as m
        where
            m.sent_at is null
            and m.failed_at is null
            and m.due_at <= p_as_of
            and (m.claimed_until is null or m.claimed_until <= p_as_of)
            and m.covered_by is null
            and not pgvigil.waits_for_another(m)
        order by m.due_at, m.mail_id
        limit p_limit
        for update skip locked
    ),

    claimed as (
        update pgvigil.mail as m
        set
            claimed_by = p_mailer,
            claimed_until = p_as_of + pgvigil.setting('mail_lease')::interval,
            attempts = m.attempts + 1
        from due
        where m.host_id = due.host_id and m.mail_id = due.mail_id
        returning m.*
    )

    select
        c.mail_id,
        c.host_id,
        c.alert_id,
        c.event,
        c.severity,
        c.address,
        c.attempts,
        h.host_name,
        a.metric,
        x.title,
        x.unit,
        x.direction,
        a.resource,
        c.sampled_at,
        c.value,
        c.peak_value,
        a.fired_at,
        a.warning,
        a.critical,
        extract(epoch from a.hold),
        a.threshold_id,
        coalesce(r.scope, ''),
        coalesce(t.note, ''),
        c.time_zone,
        c.language,
        coalesce(
            pgvigil.recent_values(c.host_id, a.metric, a.resource, c.sampled_at, interval '1 hour', 60), '{}'
        ),
        c.detail,
        array(
            select o.host_name
            from pgvigil.mail as v
            inner join pgvigil.host as o on o.host_id = v.host_id
            where v.covered_by = c.mail_id
            order by o.host_name
        )
    from claimed as c
    inner join pgvigil.host as h on h.host_id = c.host_id
    inner join pgvigil.alert as a on a.host_id = c.host_id and a.alert_id = c.alert_id
    inner join pgvigil.metric as x on x.metric = a.metric
    left join pgvigil.threshold as t on t.threshold_id = a.threshold_id
    left join lateral (
        select s.scope
        from pgvigil.rank_thresholds(c.host_id, a.metric, a.resource) as s
        where s.threshold_id = a.threshold_id
    ) as r on true
    order by c.due_at, c.mail_id
$$;
comment on function pgvigil.claim_mail(text, integer, timestamptz) is 'Takes due mails in hand for as long as mail_lease, with all that their texts need. Another mailer gets others.';


create or replace function pgvigil.mark_mail_sent(
    p_host_id integer, p_mail_id bigint, p_message_id text, p_as_of timestamptz
)
returns void
language sql
security definer
set search_path = ''
as $$
    update pgvigil.mail as m
    set sent_at = p_as_of, failed_at = null, message_id = p_message_id, last_error = null, claimed_until = null
    where (m.host_id = p_host_id and m.mail_id = p_mail_id or m.covered_by = p_mail_id) and m.sent_at is null
$$;
comment on function pgvigil.mark_mail_sent(integer, bigint, text, timestamptz) is 'Notes that the SMTP server accepted a mail.';


create or replace function pgvigil.mark_mail_failed(
    p_host_id integer, p_mail_id bigint, p_error text, p_is_permanent boolean, p_as_of timestamptz
)
returns timestamptz
language sql
security definer
set search_path = ''
as $$
    update pgvigil.mail as m
    set
        last_error = p_error,
        claimed_until = null,
        failed_at = case when p_is_permanent then p_as_of end,
        -- doubled each time, and spread, so that mailers do not come back in step
        due_at = p_as_of + (0.5 + 0.5 * random()) * least(
            pgvigil.setting('mail_retry_first')::interval * pow(2, greatest(least(m.attempts, 20), 1) - 1),
            pgvigil.setting('mail_retry_longest')::interval
        )
    where (m.host_id = p_host_id and m.mail_id = p_mail_id or m.covered_by = p_mail_id)
        -- a mailer that lost its lease and comes back late changes nothing that was settled meanwhile
        and m.sent_at is null
        and m.failed_at is null
    returning case when not p_is_permanent then m.due_at end
$$;
comment on function pgvigil.mark_mail_failed(integer, bigint, text, boolean, timestamptz) is 'Notes why a mail was not accepted; returns when it is tried again, null if it is given up.';


create or replace function pgvigil.next_mail_due(p_as_of timestamptz)
returns double precision
language sql
stable
security definer
set search_path = ''
as $$
    select extract(epoch from min(greatest(m.due_at, m.claimed_until)) - p_as_of)
    from pgvigil.mail as m
    where
        m.sent_at is null
        and m.failed_at is null
        and m.covered_by is null
        and not pgvigil.waits_for_another(m)
$$;
comment on function pgvigil.next_mail_due(timestamptz) is 'Seconds until the next mail is due (below 0: now), null if none waits: how long a mailer may sleep.';
