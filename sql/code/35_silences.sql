-- Times of day, silences, and what people say about alerts: silence_for(), acknowledge(), forget_resource().

create or replace function pgvigil.is_within(
    p_at timestamptz, p_weekdays smallint[], p_from_time time, p_to_time time, p_time_zone text
)
returns boolean
language sql
stable
as $$
    select
        case
            when p_from_time is null then p_weekdays is null or extract(isodow from l.at) = any(p_weekdays)
            when p_from_time < p_to_time
                then
                    l.at::time >= p_from_time
                    and l.at::time < p_to_time
                    and (p_weekdays is null or extract(isodow from l.at) = any(p_weekdays))
            -- over midnight: the evening of one of the days, or the morning after
            else
                l.at::time >= p_from_time
                and (p_weekdays is null or extract(isodow from l.at) = any(p_weekdays))
                or l.at::time < p_to_time
                and (p_weekdays is null or extract(isodow from l.at - interval '1 day') = any(p_weekdays))
        end
    from (values (p_at at time zone p_time_zone)) as l (at)
$$;
comment on function pgvigil.is_within(timestamptz, smallint[], time, time, text) is 'Whether a moment is within a daily window of a time zone; summer time is kept because the clock on the wall decides.';


create or replace function pgvigil.silenced_by(
    p_host_id integer, p_metric text, p_resource text, p_at timestamptz
)
returns bigint
language sql
stable
set search_path = pg_temp
as $$
    select s.silence_id
    from pgvigil.silence as s
    inner join pgvigil.host as h on h.host_id = p_host_id
    where
        (s.host_name is null or s.host_name = h.host_name)
        and (s.host_group is null or s.host_group = any(h.groups))
        and (s.metric is null or s.metric = p_metric)
        and (s.resource is null or p_resource like s.resource)
        and s.starts_at <= p_at
        and (s.ends_at is null or s.ends_at > p_at)
        and pgvigil.is_within(p_at, s.weekdays, s.from_time, s.to_time, s.time_zone)
    order by s.ends_at desc nulls first, s.silence_id
    limit 1
$$;
comment on function pgvigil.silenced_by(integer, text, text, timestamptz) is 'The silence that covers a series at a moment, null if none does.';


create or replace function pgvigil.silence_until(
    p_until timestamptz,
    p_host_name text default null,
    p_host_group text default null,
    p_metric text default null,
    p_resource text default null,
    p_note text default ''
)
returns bigint
language sql
set search_path = pg_temp
as $$
    insert into pgvigil.silence (host_name, host_group, metric, resource, ends_at, note)
    values (p_host_name, p_host_group, p_metric, p_resource, p_until, p_note)
    returning silence_id
$$;
comment on function pgvigil.silence_until(timestamptz, text, text, text, text, text) is 'Mails nothing about a host, group, metric or resource until then; returns the silence_id. select pgvigil.silence_until(''2026-01-02 09:00 Asia/Seoul'', p_host_name => ''web1'');';


create or replace function pgvigil.silence_for(
    p_duration interval,
    p_host_name text default null,
    p_host_group text default null,
    p_metric text default null,
    p_resource text default null,
    p_note text default ''
)
returns bigint
language sql
set search_path = pg_temp
as $$
    select pgvigil.silence_until(
        statement_timestamp() + p_duration, p_host_name, p_host_group, p_metric, p_resource, p_note
    )
$$;
comment on function pgvigil.silence_for(interval, text, text, text, text, text) is 'Mails nothing about a host, group, metric or resource for so long; returns the silence_id. select pgvigil.silence_for(''2 hours'', p_host_name => ''web1'');';


create or replace function pgvigil.host_id_of(p_host_name text)
returns integer
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_host_id constant integer := (select h.host_id from pgvigil.host as h where h.host_name = p_host_name);
begin
    if v_host_id is null then
        raise exception 'there is no host %', p_host_name using hint = 'select host_name from pgvigil.host;';
    end if;
    return v_host_id;
end
$$;
comment on function pgvigil.host_id_of(text) is 'Key of the host of that name; an error if there is none.';


create or replace function pgvigil.acknowledge(
    p_host_name text, p_metric text default null, p_resource text default null, p_note text default ''
)
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_host_id constant integer := pgvigil.host_id_of(p_host_name);
    v_alert pgvigil.alert;
    v_count integer := 0;
begin
    perform pgvigil.lock_host(v_host_id);
    for v_alert in
        update pgvigil.alert as a
        set
            acknowledged_at = statement_timestamp(),
            acknowledged_by = session_user,
            acknowledged_note = p_note,
            updated_at = statement_timestamp()
        where
            a.host_id = v_host_id
            and a.state = 'firing'
            -- whoever was first stays it
            and a.acknowledged_at is null
            and (p_metric is null or a.metric = p_metric)
            and (p_resource is null or a.resource = p_resource)
        returning a.*
    loop
        perform pgvigil.note_event(v_alert, 'acknowledged', null, statement_timestamp(), statement_timestamp());
        v_count := v_count + 1;
    end loop;
    if v_count = 0 then
        raise exception 'nothing is firing there that nobody is on'
            using hint = 'select host_name, metric, resource, state, acknowledged_by from dashboard.open_alert;';
    end if;
    return v_count;
end
$$;
comment on function pgvigil.acknowledge(text, text, text, text) is 'I am on it: no reminders of what fires on this host (this metric, this resource) until it is resolved. Returns how many alerts that were.';


create or replace function pgvigil.forget_resource(p_host_name text, p_resource text)
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_host_id constant integer := pgvigil.host_id_of(p_host_name);
    v_count integer;
begin
    perform pgvigil.cancel_alert(a)
    from pgvigil.alert as a
    where a.host_id = v_host_id and a.resource = p_resource and a.resolved_at is null;
    get diagnostics v_count = row_count;
    if v_count = 0 then
        raise exception 'no alert is open there'
            using hint = 'select host_name, metric, resource, state from dashboard.open_alert;';
    end if;
    return v_count;
end
$$;
comment on function pgvigil.forget_resource(text, text) is 'It is gone for good: ends every open alert of a disk, interface or other resource. Returns how many that were.';
