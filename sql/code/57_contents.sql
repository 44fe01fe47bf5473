-- What a mailer gets with a claim: all that the text of a mail needs.

do $$
begin
    -- Cannot be replaced; only ever passed, never stored. A new column is added here and in a migration.
    if to_regtype('pgvigil.mail_text') is null then
        create type pgvigil.mail_text as (
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
            history double precision [],
            detail text,
            companions text [],
            is_digest boolean,
            items jsonb
        );
    end if;
end
$$;
comment on type pgvigil.mail_text is 'All that the text of a mail needs.';


create or replace function pgvigil.recent_values(
    p_host_id integer, p_metric text, p_resource text, p_until timestamptz, p_span interval, p_buckets integer
)
returns double precision[]
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_metric pgvigil.metric;
    v_source text;
    v_values double precision [] := '{}';
begin
    select m.* into v_metric from pgvigil.metric as m where m.metric = p_metric;
    if not found then
        raise exception 'there is no metric %', p_metric using hint = 'select metric from pgvigil.metric;';
    elsif v_metric.log_table is null then
        -- what tick() derives has no samples
        return v_values;
    end if;
    -- What is old is packed: not to be looked for where an alert is fresh.
    foreach v_source in array array[
        'pgvigil.%3$I',
        format(
            'pgvigil.%I($1, $5, $4 + interval ''1 microsecond'')', replace(v_metric.log_table, '_log', '_samples')
        )
    ]
    loop
        execute (
            select
                format(
                    'select array_agg(v.value order by b.bucket) from generate_series(1, $6) as b (bucket)'
                    ' left join (select least(width_bucket(extract(epoch from l.created_at - $5), 0,'
                    ' extract(epoch from $4 - $5), $6), $6) as bucket, %1$s(l.%2$I)::float8 as value from '
                    || v_source || ' as l'
                    ' where l.host_id = $1 and ($3 is null or l.%4$I = $3) and l.created_at > $5'
                    ' and l.created_at <= $4 and not l.is_deleted group by 1) as v on v.bucket = b.bucket',
                    case v_metric.direction when 'below' then 'min' else 'max' end,
                    v_metric.column_name, t.log_table, t.resource_column
                )
            from pgvigil.log_table as t
            where t.log_table = v_metric.log_table
        )
        into v_values
        -- the start as a value: with an expression every partition would be planned
        using p_host_id, p_metric, p_resource, p_until, p_until - p_span, p_buckets;
        exit when array_remove(v_values, null) <> '{}';
    end loop;
    return v_values;
end
$$;
comment on function pgvigil.recent_values(integer, text, text, timestamptz, interval, integer) is 'The worst value of each of so many equal parts of the time before, oldest first, null where there is none: a sparkline. Without a resource: the worst of all.';


create or replace function pgvigil.digest_items(p_mail pgvigil.mail)
returns jsonb
language sql
stable
set search_path = pg_temp
as $$
    with incident as (
        -- of each how it stands
        select distinct on (v.host_id, v.alert_id)
            v.mail_id, v.host_id, v.alert_id, v.event, v.severity, h.host_name, a.metric, x.title as metric_title, x.unit,
            x.direction, a.resource, v.sampled_at, v.value, v.peak_value, a.fired_at, a.warning, a.critical,
            extract(epoch from a.hold)::double precision as hold_seconds, a.threshold_id, v.detail,
            v.event in ('resolved', 'cancelled') as is_over
        from pgvigil.mail as v
        inner join pgvigil.host as h on h.host_id = v.host_id
        inner join pgvigil.alert as a on a.host_id = v.host_id and a.alert_id = v.alert_id
        inner join pgvigil.metric as x on x.metric = a.metric
        where v.covered_by = p_mail.mail_id or v.host_id = p_mail.host_id and v.mail_id = p_mail.mail_id
        order by v.host_id, v.alert_id, v.mail_id desc
    )

    select jsonb_build_object(
        'count', count(*),
        'host_count', count(distinct i.host_id),
        'critical_count', count(*) filter (where i.severity = 'critical' and not i.is_over),
        'over_count', count(*) filter (where i.is_over),
        'since', min(i.sampled_at),
        'until', max(i.sampled_at),
        'alerts', (
            select jsonb_agg(to_jsonb(f) - 'is_over')
            from (
                select w.* from incident as w order by w.is_over, w.severity, w.host_name, w.mail_id limit 100
            ) as f
        )
    )
    from incident as i
$$;
comment on function pgvigil.digest_items(pgvigil.mail) is 'The incidents that a digest tells: how many, and the first hundred, the worst first.';


create or replace function pgvigil.mail_text_of(p_mail pgvigil.mail)
returns pgvigil.mail_text
language sql
stable
set search_path = pg_temp
as $$
    select
        p_mail.mail_id,
        p_mail.host_id,
        coalesce(p_mail.alert_id, 0),
        p_mail.event,
        p_mail.severity,
        p_mail.address,
        p_mail.attempts,
        h.host_name,
        coalesce(a.metric, ''),
        coalesce(x.title, ''),
        coalesce(x.unit, 'count'),
        coalesce(x.direction, 'above'),
        coalesce(a.resource, ''),
        p_mail.sampled_at,
        p_mail.value,
        p_mail.peak_value,
        coalesce(a.fired_at, p_mail.sampled_at),
        a.warning,
        a.critical,
        coalesce(extract(epoch from a.hold), 0)::double precision,
        a.threshold_id,
        coalesce(r.scope, ''),
        coalesce(t.note, ''),
        p_mail.time_zone,
        p_mail.language,
        coalesce(
            case
                when not p_mail.is_digest and a.metric is not null then
                    pgvigil.recent_values(p_mail.host_id, a.metric, a.resource, p_mail.sampled_at, interval '1 hour', 60)
            end,
            '{}'
        ),
        case p_mail.event when 'weekly' then '' else p_mail.detail end,
        array(
            select o.host_name
            from pgvigil.mail as v
            inner join pgvigil.host as o on o.host_id = v.host_id
            where v.covered_by = p_mail.mail_id and not p_mail.is_digest
            order by o.host_name
        ),
        p_mail.is_digest,
        case
            when p_mail.event = 'weekly' then p_mail.detail::jsonb
            when p_mail.is_digest then pgvigil.digest_items(p_mail)
            else coalesce(
                (
                    select jsonb_build_object('started_at', p.started_at, 'occurrences', p.occurrences)
                    from pgvigil.agent_problem as p
                    where
                        a.metric = 'agent_problem'
                        and p.host_id = p_mail.host_id
                        and p.problem || ' ' || p.subject = a.resource
                ),
                '{}'
            )
        end
    from pgvigil.host as h
    left join pgvigil.alert as a on a.host_id = p_mail.host_id and a.alert_id = p_mail.alert_id
    left join pgvigil.metric as x on x.metric = a.metric
    left join pgvigil.threshold as t on t.threshold_id = a.threshold_id
    left join lateral (
        select s.scope
        from pgvigil.rank_thresholds(p_mail.host_id, a.metric, a.resource) as s
        where s.threshold_id = a.threshold_id
    ) as r on true
    where h.host_id = p_mail.host_id
$$;
comment on function pgvigil.mail_text_of(pgvigil.mail) is 'All that the text of a mail needs.';


create or replace function pgvigil.preview_mail(
    p_alert_id bigint default null,
    p_event text default null,
    p_language text default 'en',
    p_time_zone text default 'UTC'
)
returns pgvigil.mail_text
language plpgsql
stable
security definer
set search_path = pg_temp
as $$
declare
    v_mail jsonb;
begin
    select
        jsonb_build_object(
            'mail_id', 0, 'host_id', a.host_id, 'alert_id', a.alert_id, 'event', e.mail_event, 'severity', e.severity,
            'value', e.value, 'peak_value', a.peak_value, 'sampled_at', e.at, 'address', 'preview@example.org',
            'language', p_language, 'time_zone', p_time_zone, 'attempts', 1, 'detail', a.detail, 'is_digest', false
        )
    into v_mail
    from pgvigil.alert_event as e
    inner join pgvigil.alert as a on a.host_id = e.host_id and a.alert_id = e.alert_id
    where
        e.mail_event is not null
        and (p_alert_id is null or a.alert_id = p_alert_id)
        and (p_event is null or e.mail_event = p_event)
    order by e.created_at desc, e.event_id desc
    limit 1;
    if v_mail is null then
        raise exception using
            message = case
                when p_alert_id is null and p_event is null then 'no alert was worth a mail yet'
                else format('there is no alert %s with a mail %s', coalesce(p_alert_id::text, 'at all'), coalesce(p_event, 'of any kind'))
            end,
            hint = 'select distinct alert_id, mail_event from pgvigil.alert_event where mail_event is not null;';
    end if;
    return pgvigil.mail_text_of(jsonb_populate_record(null::pgvigil.mail, v_mail));
end
$$;
comment on function pgvigil.preview_mail(bigint, text, text, text) is 'The contents of the mail that an incident was worth, sent or not; the newest one without arguments. Writes nothing.';
