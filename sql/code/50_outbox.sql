-- The outbox: who is mailed. A mail is written in the transaction of the sample that caused it, one row per recipient.

create or replace function pgvigil.who_gets(
    p_host_name text, p_metric text, p_severity text, p_at timestamptz default statement_timestamp()
)
returns table (address text, language text, time_zone text)
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_host_id constant integer := pgvigil.host_id_of(p_host_name);
    v_groups constant text [] := (select h.groups from pgvigil.host as h where h.host_id = v_host_id);
begin
    if not exists (select from pgvigil.metric as m where m.metric = p_metric) then
        raise exception 'there is no metric %', p_metric using hint = 'select metric from pgvigil.metric;';
    elsif p_severity not in ('warning', 'critical') then
        raise exception 'there is no severity %', p_severity using hint = 'warning or critical';
    end if;
    return query
    select distinct on (r.address) r.address, r.language, r.time_zone
    from pgvigil.recipient as r
    where
        r.is_enabled
        -- that somebody cannot be reached concerns all the others, whatever their hosts are
        and (r.host_group is null or r.host_group = any(v_groups) or p_metric = 'mail_undeliverable')
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
set search_path = pg_temp
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
set search_path = pg_temp
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
set search_path = pg_temp
as $$
declare
    v_count integer;
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
        where
            h.host_id = p_alert.host_id
            and p_event in ('fired', 'escalated', 'flapping', 'reminder')
            -- the others hear of an address that cannot be reached
            and (p_alert.metric, p_alert.resource) is distinct from ('mail_undeliverable', g.address)
    ) as w
    -- in the language of now, or else of the last mail
    order by w.address, w.mail_id desc nulls first;
    get diagnostics v_count = row_count;
    update pgvigil.alert as a
    set mails = a.mails + v_count
    where a.host_id = p_alert.host_id and a.alert_id = p_alert.alert_id and v_count > 0;
end
$$;
comment on function pgvigil.queue_mail(pgvigil.alert, text, timestamptz) is 'Writes the mails of an event, one per recipient.';
