-- What makes alerts bearable: silences, acknowledgements, reminders, flapping, silence of a host, forecasts, history.

-- Metrics that no column holds: tick() derives them.
alter table pgvigil.metric
alter column log_table drop not null,
alter column column_name drop not null,
alter column position drop not null,
add column is_enabled boolean not null default true,
drop constraint metric_unit_is_known,
add constraint metric_unit_is_known
check (unit in ('percent', 'bytes', 'bytes_per_second', 'per_second', 'seconds', 'load', 'count')),
add constraint metric_is_stored_or_derived
check (num_nulls(log_table, column_name, position) in (0, 3));
comment on column pgvigil.metric.log_table is 'Table that holds it; null = derived by tick().';
comment on column pgvigil.metric.is_enabled is 'False = not judged: its column is gone, or judging it raised an error. Set it to true once mended.';

insert into pgvigil.metric (metric, title, unit, direction, description)
values
('host_silence', 'Silence', 'seconds', 'above', 'Time since the server last stored a sample of the host, by the server''s clock.'),
('clock_skew', 'Clock skew', 'seconds', 'above', 'How far the clock of the host is from that of the server.'),
('disk_full_in', 'Time until the disk is full', 'seconds', 'below', 'By the trend of the last hours; see the settings forecast_*.'),
('resource_vanished', 'Vanished', 'count', 'above', '1 while a disk or an interface that was there is not.'),
('rule_error', 'Broken rule', 'count', 'above', '1 after a rule raised an error and was switched off.');


alter table pgvigil.threshold add column remind_every interval default '4 hours';
comment on column pgvigil.threshold.remind_every is 'Mail again each time that it has been firing for so long, until somebody acknowledges it; null = never.';

insert into pgvigil.threshold (metric, warning, critical, hold, remind_every, managed_by, note)
values
('host_silence', null, 60, '0', '4 hours', 'default', 'No sample arrives: the host is down, cut off, or its agent is. ping HOST; then, on the host: systemctl status pgvigil-agent. Other alerts of the host are unknown until it is back.'),
('clock_skew', 30, 600, '2 minutes', '1 day', 'default', 'Set the clock: timedatectl, chronyc tracking. Its samples are judged all the same, by their own order.'),
('disk_full_in', 86400, 14400, '0', '12 hours', 'default', 'It grows: du -xh --max-depth=2 MOUNT | sort -h | tail, and the same again in ten minutes.'),
('resource_vanished', 1, null, '0', null, 'default', 'Unmounted, unplugged or renamed? If it is gone for good: select pgvigil.forget_resource(''HOST'', ''NAME'');'),
('rule_error', 1, null, '0', '1 day', 'default', 'The rule was switched off, the samples were stored. select * from pgvigil.rule_error order by 1 desc; mend it, then set mode = ''armed'' (a rule) or is_enabled = true (a metric).');


alter table pgvigil.alert
alter column log_table drop not null,
add column worst_severity text not null default 'warning',
add column reopened integer not null default 0,
add column quiet_until timestamptz,
add column unknown_since timestamptz,
add column next_remind_at timestamptz,
add column acknowledged_at timestamptz,
add column acknowledged_by text,
add column acknowledged_note text,
add column withheld_event text,
add column detail text not null default '',
add constraint alert_worst_severity_is_known check (worst_severity in ('warning', 'critical')),
add constraint alert_acknowledged_has_who check ((acknowledged_at is null) = (acknowledged_by is null));
comment on column pgvigil.alert.log_table is 'Where its samples are; null = derived by tick().';
comment on column pgvigil.alert.worst_severity is 'The worst severity that it had.';
comment on column pgvigil.alert.reopened is 'How often it came back within flap_window: those are one incident, and one mail.';
comment on column pgvigil.alert.quiet_until is 'Flapping: no mail of coming and going until it has been calm until then.';
comment on column pgvigil.alert.unknown_since is 'Since when the host is silent: neither reminded nor resolved.';
comment on column pgvigil.alert.next_remind_at is 'When to mail again if it still fires, by the server''s clock.';
comment on column pgvigil.alert.acknowledged_at is 'Somebody is on it: no reminders until it is resolved.';
comment on column pgvigil.alert.acknowledged_by is 'Who.';
comment on column pgvigil.alert.acknowledged_note is 'What they said.';
comment on column pgvigil.alert.withheld_event is 'What a silence kept from being mailed; if it still holds when the silence ends, the mail comes then.';
comment on column pgvigil.alert.detail is 'What else there is to say: the range of dates of a forecast, what a broken rule raised.';


create table pgvigil.alert_event (
    event_id bigint generated always as identity,
    host_id integer not null,
    alert_id bigint not null,
    event text not null,
    mail_event text,
    severity text not null,
    value double precision not null,
    at timestamptz not null,
    is_shadow boolean not null,
    silence_id bigint,
    created_at timestamptz not null default statement_timestamp(),
    constraint alert_event_pkey primary key (host_id, event_id),
    constraint alert_event_alert_exists foreign key (host_id, alert_id) references pgvigil.alert (host_id, alert_id),
    constraint alert_event_is_known
    check (event in ('fired', 'escalated', 'eased', 'resolved', 'cancelled', 'reminder', 'acknowledged'))
);
comment on table pgvigil.alert_event is 'Every change of every incident, mailed or not.';
comment on column pgvigil.alert_event.event_id is 'Number of the event.';
comment on column pgvigil.alert_event.host_id is 'The host.';
comment on column pgvigil.alert_event.alert_id is 'The incident.';
comment on column pgvigil.alert_event.event is 'What happened.';
comment on column pgvigil.alert_event.mail_event is 'The mail that it was worth, null if none; a shadow rule or a silence may have kept it from being sent.';
comment on column pgvigil.alert_event.severity is 'Severity then.';
comment on column pgvigil.alert_event.value is 'Value then.';
comment on column pgvigil.alert_event.at is 'The sample, or the time by the server''s clock where there is none.';
comment on column pgvigil.alert_event.is_shadow is 'The rule was in shadow mode.';
comment on column pgvigil.alert_event.silence_id is 'The silence that kept it from being mailed.';
comment on column pgvigil.alert_event.created_at is 'When it was noted, by the server''s clock.';
create index alert_event_of_alert on pgvigil.alert_event (host_id, alert_id);
create index alert_event_recent on pgvigil.alert_event (created_at);


alter table pgvigil.mail
add column detail text not null default '',
add column covered_by bigint,
drop constraint mail_event_is_known,
add constraint mail_event_is_known
check (event in ('fired', 'escalated', 'eased', 'resolved', 'cancelled', 'reminder', 'flapping'));
comment on column pgvigil.mail.event is 'What happened: fired, escalated, eased, resolved, cancelled (its rule is off or gone), reminder or flapping (it came back; more of that is counted, not mailed).';
comment on column pgvigil.mail.detail is 'What else there is to say.';
comment on column pgvigil.mail.covered_by is 'This one is told in that mail (many hosts fell silent at once) and shares its fate.';
create index mail_recent on pgvigil.mail (created_at);
create index mail_covered on pgvigil.mail (covered_by) where covered_by is not null;


alter table pgvigil.rule_error
add column handled_at timestamptz;
comment on column pgvigil.rule_error.handled_at is 'When tick() switched the rule off and mailed it.';
create unique index rule_error_open_is_unique
on pgvigil.rule_error (log_table, metric, threshold_id, message) nulls not distinct where handled_at is null;
alter table pgvigil.rule_error alter column log_table drop not null;


create table pgvigil.silence (
    silence_id bigint generated always as identity,
    host_name text,
    host_group text,
    metric text,
    resource text,
    starts_at timestamptz not null default now(),
    ends_at timestamptz,
    weekdays smallint[],
    from_time time,
    to_time time,
    time_zone text not null default 'UTC',
    note text not null default '',
    created_by text not null default session_user,
    created_at timestamptz not null default now(),
    constraint silence_pkey primary key (silence_id),
    constraint silence_host_exists foreign key (host_name)
    references pgvigil.host (host_name) on update cascade on delete cascade,
    constraint silence_metric_exists foreign key (metric) references pgvigil.metric on update cascade,
    constraint silence_scope_is_host_or_group check (host_name is null or host_group is null),
    constraint silence_times_come_in_pairs check ((from_time is null) = (to_time is null)),
    constraint silence_weekdays_need_times check (weekdays is null or from_time is not null)
);
comment on table pgvigil.silence is 'When nobody is mailed about what: once (starts_at to ends_at), or each of the weekdays from from_time to to_time in time_zone. Alerts are kept all the same; what still fires when the silence ends is mailed then.';
comment on column pgvigil.silence.silence_id is 'Number of the silence.';
comment on column pgvigil.silence.host_name is 'Only this host; null = all.';
comment on column pgvigil.silence.host_group is 'Only hosts of this group; null = all.';
comment on column pgvigil.silence.metric is 'Only this metric; null = all.';
comment on column pgvigil.silence.resource is 'Only resources that match this LIKE pattern; null = all.';
comment on column pgvigil.silence.starts_at is 'Not before.';
comment on column pgvigil.silence.ends_at is 'Not after; null = until the row is deleted.';
comment on column pgvigil.silence.weekdays is 'Recurring: days on which it begins, 1 = Monday .. 7 = Sunday; null = every day.';
comment on column pgvigil.silence.from_time is 'Recurring: begins at this time of day; null = once, from starts_at to ends_at.';
comment on column pgvigil.silence.to_time is 'Recurring: ends at this time of day; the next day if it is not later than from_time.';
comment on column pgvigil.silence.time_zone is 'Recurring: whose time of day; summer time is kept.';
comment on column pgvigil.silence.note is 'Why.';
comment on column pgvigil.silence.created_by is 'Who made it.';
comment on column pgvigil.silence.created_at is 'When.';


alter table pgvigil.recipient
add column weekdays smallint[],
add column from_time time,
add column to_time time,
add constraint recipient_times_come_in_pairs check ((from_time is null) = (to_time is null));
comment on column pgvigil.recipient.weekdays is 'Only on these days, 1 = Monday .. 7 = Sunday; null = every day.';
comment on column pgvigil.recipient.from_time is 'Only from this time of day, in time_zone; null = all day.';
comment on column pgvigil.recipient.to_time is 'Until this time of day; the next day if it is not later than from_time.';


create table pgvigil.threshold_history (
    history_id bigint generated always as identity,
    threshold_id bigint not null,
    operation text not null,
    old jsonb,
    new jsonb,
    changed_by text not null default session_user,
    changed_at timestamptz not null default clock_timestamp(),
    constraint threshold_history_pkey primary key (history_id),
    constraint threshold_history_operation_is_known check (operation in ('insert', 'update', 'delete'))
);
comment on table pgvigil.threshold_history is 'Who changed which rule, when, and how it was. select pgvigil.revert_threshold(history_id) takes a change back.';
comment on column pgvigil.threshold_history.history_id is 'Number of the change.';
comment on column pgvigil.threshold_history.threshold_id is 'The rule.';
comment on column pgvigil.threshold_history.operation is 'insert, update or delete.';
comment on column pgvigil.threshold_history.old is 'The row before.';
comment on column pgvigil.threshold_history.new is 'The row after.';
comment on column pgvigil.threshold_history.changed_by is 'Login that changed it.';
comment on column pgvigil.threshold_history.changed_at is 'When.';
create index threshold_history_of_threshold on pgvigil.threshold_history (threshold_id);


create table pgvigil.upkeep (
    task text not null,
    done_at timestamptz not null,
    since timestamptz not null,
    error text,
    constraint upkeep_pkey primary key (task)
);
comment on table pgvigil.upkeep is 'When tick() last did what it does now and then.';
comment on column pgvigil.upkeep.task is 'What.';
comment on column pgvigil.upkeep.done_at is 'When.';
comment on column pgvigil.upkeep.since is 'Since when it has been done without a break: a watcher that was away itself accuses nobody of silence.';
comment on column pgvigil.upkeep.error is 'Why it failed then; null = it did not.';


insert into pgvigil.setting (setting, value, kind, description)
values
('flap_window', '30 minutes', 'interval', 'What comes back within this time after its end is the same incident: it is mailed once as flapping, then counted.'),
('copy_transition_table', 'off', 'boolean', 'Judge a copy of the new rows: needed on Citus, dearer elsewhere.'),
('digest_from', '3', 'integer', 'So many hosts that fall silent at the same moment are told in one mail.'),
('forecast_every', '5 minutes', 'interval', 'How often disks are forecast.'),
('forecast_span', '6 hours', 'interval', 'Length of the trend.'),
('forecast_span_least', '1 hour', 'interval', 'No forecast from less.'),
('forecast_usage_least', '60', 'integer', 'No forecast for a disk less full than this (%).'),
('forecast_fit_least', '80', 'integer', 'No forecast from a trend that explains less of the variation (r squared, %).'),
('forecast_memory', '3 days', 'interval', 'No forecast below the highest fill of this time before the trend: a sawtooth that never was trouble is none now.');
