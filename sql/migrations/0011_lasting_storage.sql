-- Storage that lasts: rollups of a day, a retention for mails and for the rollups of the fleet, one host per login for certain.

-- Both return more now.
drop function if exists pgvigil.partitioned_tables();
drop function if exists pgvigil.series_span(integer, text, timestamptz, timestamptz, integer);

alter table pgvigil.log_table add column daily_retention interval;
update pgvigil.log_table set daily_retention = greatest(interval '10 years', hourly_retention);
alter table pgvigil.log_table
alter column daily_retention set not null,
alter column daily_retention set default '10 years',
add constraint log_table_daily_retention_outlasts_hourly check (daily_retention >= hourly_retention);
comment on column pgvigil.log_table.daily_retention is 'Age at which whole years (364 days) of daily rollups are dropped.';

do $$
declare
    v_name text;
begin
    for v_name in select replace(t.log_table, '_log', '_rollup_1d') from pgvigil.log_table as t
    loop
        execute format(
            'create table pgvigil.%1$I (like pgvigil.%2$I including comments,'
            ' constraint %3$I primary key (host_id, bucket_at, resource), constraint %4$I check (samples > 0))'
            ' partition by range (bucket_at)',
            v_name, replace(v_name, '_1d', '_1h'), v_name || '_pkey', v_name || '_has_samples'
        );
        execute format(
            'comment on table pgvigil.%I is %L', v_name,
            format('Derived: %s in buckets of one day, kept by roll_up() from the hourly ones.', replace(v_name, '_rollup_1d', '_log'))
        );
    end loop;
end
$$;

alter table pgvigil.rollup_progress add column daily_until timestamptz not null default '-infinity';
comment on column pgvigil.rollup_progress.daily_until is 'Days that end by then are rolled up.';


-- Two registrations at the same moment cannot both find that their login has no host yet.
alter table pgvigil.host add column shares_login boolean not null default false;
comment on column pgvigil.host.shares_login is 'Its login may serve other hosts too: it was named in the setting shared_logins when this one registered.';
update pgvigil.host as h
set shares_login = true
where
    exists (
        select
        from pgvigil.host as o
        where o.login_role = h.login_role and o.host_id <> h.host_id
    )
    or exists (
        select
        from pgvigil.setting as s
        where
            s.setting = 'shared_logins'
            and (s.value = '*' or h.login_role = any(string_to_array(replace(s.value, ' ', ''), ',')))
    );
create unique index host_login_is_of_one_host on pgvigil.host (login_role) where not shares_login and not is_deleted;


insert into pgvigil.setting (setting, value, kind, description)
values
('mail_retention', '2 years', 'interval', 'Age at which mails that were sent, and so the delivery log, are deleted, incident by incident. What waits or was given up stays.'),
('fleet_five_minute_retention', '2 years', 'interval', 'Age at which five-minute rollups of the whole fleet are deleted.'),
('fleet_hourly_retention', '10 years', 'interval', 'Age at which hourly rollups of the whole fleet are deleted.');


-- What dashboards ask of a year of incidents and mails.
alter table pgvigil.alert add column mails integer not null default 0;
comment on column pgvigil.alert.mails is 'How many mails were written about it; they may be deleted by now.';
update pgvigil.alert as a
set mails = m.mails
from (
    select
        x.host_id,
        x.alert_id,
        count(*) as mails
    from pgvigil.mail as x
    where x.alert_id is not null
    group by x.host_id, x.alert_id
) as m
where m.host_id = a.host_id and m.alert_id = a.alert_id;
create index alert_until on pgvigil.alert (coalesce(resolved_at, 'infinity'));
create index mail_unsent on pgvigil.mail (created_at) where sent_at is null and failed_at is null;
-- What graphs of a year count is in the index: they do not read the rows.
drop index pgvigil.mail_recent;
create index mail_recent on pgvigil.mail (created_at) include (sent_at, failed_at);
drop index pgvigil.alert_recent;
create index alert_recent on pgvigil.alert (fired_at) include (worst_severity, is_shadow);
create index alert_event_shadow on pgvigil.alert_event (at) where is_shadow;
