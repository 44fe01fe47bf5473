-- The rules, the state they keep, and the outbox.

create table pgvigil.metric (
    metric text not null,
    log_table text not null,
    column_name text not null,
    position smallint not null,
    title text not null,
    unit text not null,
    direction text not null default 'above',
    description text not null,
    constraint metric_pkey primary key (metric),
    constraint metric_position_is_unique unique (log_table, position),
    constraint metric_column_is_unique unique (log_table, column_name),
    constraint metric_log_table_exists foreign key (log_table) references pgvigil.log_table,
    constraint metric_position_is_positive check (position > 0),
    constraint metric_direction_is_known check (direction in ('above', 'below')),
    constraint metric_unit_is_known
    check (unit in ('percent', 'bytes', 'bytes_per_second', 'per_second', 'seconds', 'load'))
);
comment on table pgvigil.metric is 'Each column of a log table that rules can judge. A new row here and its column are all that a new metric takes.';
comment on column pgvigil.metric.metric is 'Name that thresholds use.';
comment on column pgvigil.metric.log_table is 'Table that holds it.';
comment on column pgvigil.metric.column_name is 'Numeric column that holds it.';
comment on column pgvigil.metric.position is 'Its place in gate.above and gate.below of its table; given once, never used again for another.';
comment on column pgvigil.metric.title is 'Name for mails and dashboards.';
comment on column pgvigil.metric.unit is 'Unit: percent, bytes, bytes_per_second, per_second, seconds or load.';
comment on column pgvigil.metric.direction is 'Whether a breach is above or below the limit.';
comment on column pgvigil.metric.description is 'What it tells, in a sentence.';


create table pgvigil.threshold (
    threshold_id bigint generated always as identity,
    metric text not null,
    host_name text,
    host_group text,
    resource text,
    warning double precision,
    critical double precision,
    clear_band double precision,
    hold interval not null default '0',
    mode text not null default 'armed',
    note text not null default '',
    managed_by text not null default 'sql',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint threshold_pkey primary key (threshold_id),
    constraint threshold_metric_exists foreign key (metric) references pgvigil.metric on update cascade,
    constraint threshold_host_exists foreign key (host_name)
    references pgvigil.host (host_name) on update cascade on delete cascade,
    constraint threshold_scope_is_unique
    unique nulls not distinct (metric, host_name, host_group, resource, managed_by),
    constraint threshold_scope_is_host_or_group check (host_name is null or host_group is null),
    constraint threshold_mode_is_known check (mode in ('armed', 'shadow', 'off')),
    constraint threshold_managed_by_is_known check (managed_by in ('default', 'ansible', 'sql'))
);
comment on table pgvigil.threshold is 'The rules. The most specific row wins: host and resource, host, group and resource, group, resource, all; then sql before ansible before default. Just insert, update or delete; the next sample is judged by the new row.';
comment on column pgvigil.threshold.threshold_id is 'Number of the rule, as mails name it.';
comment on column pgvigil.threshold.metric is 'What is judged: a name from pgvigil.metric.';
comment on column pgvigil.threshold.host_name is 'Only this host; null = all.';
comment on column pgvigil.threshold.host_group is 'Only hosts of this group; null = all.';
comment on column pgvigil.threshold.resource is 'Only resources that match this LIKE pattern (''/'', ''/var/%'', ''eth_''); null = all.';
comment on column pgvigil.threshold.warning is 'Limit of the warning, in the metric''s unit; null = none.';
comment on column pgvigil.threshold.critical is 'Limit of the critical level, beyond the warning; null = none.';
comment on column pgvigil.threshold.clear_band is 'How far the value must come back from the limit before the alert ends, in the metric''s unit; null = 5 % of the limit.';
comment on column pgvigil.threshold.hold is 'How long the value must stay over the limit before anybody is mailed; 0 = at once.';
comment on column pgvigil.threshold.mode is 'armed: mails. shadow: alerts are recorded and nobody is mailed. off: nothing that this row wins is judged.';
comment on column pgvigil.threshold.note is 'What to do when it fires; goes into the mail.';
comment on column pgvigil.threshold.managed_by is 'Who keeps this row: default (shipped), ansible (inventory) or sql (people).';
comment on column pgvigil.threshold.created_at is 'When the rule was made.';
comment on column pgvigil.threshold.updated_at is 'Last change.';


create table pgvigil.gate (
    host_id integer not null,
    log_table text not null,
    above double precision[] not null,
    below double precision[] not null,
    constraint gate_pkey primary key (host_id, log_table),
    constraint gate_host_exists foreign key (host_id) references pgvigil.host on delete cascade
);
comment on table pgvigil.gate is 'Derived, never edit: the first value of each metric that any rule of the host could react to. What stays short of it is not judged at all, which is what makes the triggers cheap. Kept by refresh_gate().';
comment on column pgvigil.gate.host_id is 'The host.';
comment on column pgvigil.gate.log_table is 'The log table.';
comment on column pgvigil.gate.above is 'By metric.position: the lowest limit of the metrics with direction above.';
comment on column pgvigil.gate.below is 'By metric.position: the highest limit of the metrics with direction below.';


create table pgvigil.alert (
    alert_id bigint generated always as identity,
    host_id integer not null,
    log_table text not null,
    metric text not null,
    resource text not null,
    threshold_id bigint,
    state text not null,
    severity text not null,
    is_shadow boolean not null default false,
    value double precision not null,
    peak_value double precision not null,
    warning double precision,
    critical double precision,
    hold interval not null,
    pending_at timestamptz not null,
    judged_at timestamptz not null,
    fired_at timestamptz,
    resolved_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint alert_pkey primary key (host_id, alert_id),
    constraint alert_host_exists foreign key (host_id) references pgvigil.host,
    constraint alert_metric_exists foreign key (metric) references pgvigil.metric on update cascade,
    constraint alert_state_is_known check (state in ('pending', 'firing', 'resolved')),
    constraint alert_severity_is_known check (severity in ('warning', 'critical')),
    constraint alert_fired_unless_pending check ((state = 'pending') = (fired_at is null)),
    constraint alert_resolved_has_time check ((state = 'resolved') = (resolved_at is not null)),
    constraint alert_resolved_after_fired check (resolved_at >= fired_at)
) with (fillfactor = 70);
comment on table pgvigil.alert is 'Incidents: one row from the first breach to the recovery. What only was pending and came back is deleted.';
comment on column pgvigil.alert.alert_id is 'Number of the incident.';
comment on column pgvigil.alert.host_id is 'The host.';
comment on column pgvigil.alert.log_table is 'Where its samples are.';
comment on column pgvigil.alert.metric is 'What was judged.';
comment on column pgvigil.alert.resource is 'On which CPU, memory, disk or interface.';
comment on column pgvigil.alert.threshold_id is 'The rule that won when it was last judged.';
comment on column pgvigil.alert.state is 'pending (over the limit, not yet for long enough), firing or resolved.';
comment on column pgvigil.alert.severity is 'warning or critical; of a resolved alert the last one.';
comment on column pgvigil.alert.is_shadow is 'The rule was in shadow mode: nobody is mailed.';
comment on column pgvigil.alert.value is 'Value of the sample last judged.';
comment on column pgvigil.alert.peak_value is 'Worst value so far.';
comment on column pgvigil.alert.warning is 'Limit of the warning when it was last judged.';
comment on column pgvigil.alert.critical is 'Limit of the critical level when it was last judged.';
comment on column pgvigil.alert.hold is 'Hold of the rule when it was last judged.';
comment on column pgvigil.alert.pending_at is 'Sample that first was over the limit.';
comment on column pgvigil.alert.judged_at is 'Sample last judged.';
comment on column pgvigil.alert.fired_at is 'Sample that made it fire.';
comment on column pgvigil.alert.resolved_at is 'Sample that ended it.';
comment on column pgvigil.alert.created_at is 'When the row was made, by the server''s clock.';
comment on column pgvigil.alert.updated_at is 'Last change, by the server''s clock.';

-- Two open alerts of one series are impossible rather than filtered.
create unique index alert_open_is_unique on pgvigil.alert (host_id, metric, resource) where resolved_at is null;
create index alert_recent on pgvigil.alert (fired_at);


create table pgvigil.rule_error (
    rule_error_id bigint generated always as identity,
    host_id integer,
    log_table text not null,
    metric text,
    resource text,
    threshold_id bigint,
    message text not null,
    created_at timestamptz not null default now(),
    constraint rule_error_pkey primary key (rule_error_id)
);
comment on table pgvigil.rule_error is 'Rules that raised an error instead of a verdict. The sample was stored all the same, and the rule switched off.';
comment on column pgvigil.rule_error.rule_error_id is 'Number of the error.';
comment on column pgvigil.rule_error.host_id is 'Whose sample was judged.';
comment on column pgvigil.rule_error.log_table is 'Where that sample is.';
comment on column pgvigil.rule_error.metric is 'What was judged; null = the table as a whole.';
comment on column pgvigil.rule_error.resource is 'On which resource.';
comment on column pgvigil.rule_error.threshold_id is 'The rule, where one had been found.';
comment on column pgvigil.rule_error.message is 'What PostgreSQL said.';
comment on column pgvigil.rule_error.created_at is 'When.';


create table pgvigil.recipient (
    recipient_id bigint generated always as identity,
    address text not null,
    host_group text,
    metric text,
    min_severity text not null default 'warning',
    language text not null default 'en',
    time_zone text not null default 'UTC',
    is_enabled boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint recipient_pkey primary key (recipient_id),
    constraint recipient_is_unique unique nulls not distinct (address, host_group, metric),
    constraint recipient_metric_exists foreign key (metric) references pgvigil.metric on update cascade,
    constraint recipient_min_severity_is_known check (min_severity in ('warning', 'critical')),
    constraint recipient_language_is_known check (language in ('en', 'ko'))
);
comment on table pgvigil.recipient is 'Who is mailed. An address may have several rows; it gets each mail once.';
comment on column pgvigil.recipient.recipient_id is 'Number of the row.';
comment on column pgvigil.recipient.address is 'Mail address.';
comment on column pgvigil.recipient.host_group is 'Only hosts of this group; null = all.';
comment on column pgvigil.recipient.metric is 'Only this metric; null = all.';
comment on column pgvigil.recipient.min_severity is 'warning = everything, critical = only what is or becomes critical.';
comment on column pgvigil.recipient.language is 'Language of the mails: en or ko.';
comment on column pgvigil.recipient.time_zone is 'Time zone of the mails, a name as in pg_timezone_names.';
comment on column pgvigil.recipient.is_enabled is 'False = mailed nothing, and kept.';
comment on column pgvigil.recipient.created_at is 'When the row was made.';
comment on column pgvigil.recipient.updated_at is 'Last change.';


create table pgvigil.mail (
    mail_id bigint generated always as identity,
    host_id integer not null,
    alert_id bigint not null,
    event text not null,
    severity text not null,
    value double precision not null,
    peak_value double precision not null,
    sampled_at timestamptz not null,
    address text not null,
    language text not null,
    time_zone text not null,
    due_at timestamptz not null,
    claimed_by text,
    claimed_until timestamptz,
    attempts integer not null default 0,
    last_error text,
    message_id text,
    sent_at timestamptz,
    failed_at timestamptz,
    created_at timestamptz not null default now(),
    constraint mail_pkey primary key (host_id, mail_id),
    constraint mail_alert_exists foreign key (host_id, alert_id) references pgvigil.alert (host_id, alert_id),
    constraint mail_event_is_known
    check (event in ('fired', 'escalated', 'eased', 'resolved', 'cancelled', 'reminder')),
    constraint mail_sent_or_failed check (sent_at is null or failed_at is null)
) with (fillfactor = 70);
comment on table pgvigil.mail is 'The outbox: one row per recipient and event, written in the transaction of the sample that caused it.';
comment on column pgvigil.mail.mail_id is 'Number of the mail.';
comment on column pgvigil.mail.host_id is 'The host.';
comment on column pgvigil.mail.alert_id is 'The incident.';
comment on column pgvigil.mail.event is 'What happened: fired, escalated, eased, resolved, cancelled (its rule is off or gone) or reminder.';
comment on column pgvigil.mail.severity is 'Severity at that moment.';
comment on column pgvigil.mail.value is 'Value of the sample that caused it.';
comment on column pgvigil.mail.peak_value is 'Worst value of the incident until then.';
comment on column pgvigil.mail.sampled_at is 'The sample that caused it.';
comment on column pgvigil.mail.address is 'To whom.';
comment on column pgvigil.mail.language is 'In which language.';
comment on column pgvigil.mail.time_zone is 'In which time zone.';
comment on column pgvigil.mail.due_at is 'Not to be sent before.';
comment on column pgvigil.mail.claimed_by is 'The mailer that has it in hand.';
comment on column pgvigil.mail.claimed_until is 'When another mailer may take it over.';
comment on column pgvigil.mail.attempts is 'How often a mailer took it.';
comment on column pgvigil.mail.last_error is 'Why the last attempt failed.';
comment on column pgvigil.mail.message_id is 'Message-ID under which it was accepted; the same at each attempt.';
comment on column pgvigil.mail.sent_at is 'When the SMTP server accepted it.';
comment on column pgvigil.mail.failed_at is 'When it was given up: the server refused it for good.';
comment on column pgvigil.mail.created_at is 'When it was written.';

create index mail_due on pgvigil.mail (due_at) where sent_at is null and failed_at is null;
create index mail_of_alert on pgvigil.mail (host_id, alert_id);
-- The queue is small and hot: dead rows must go long before a fifth of the table has changed.
alter table pgvigil.mail set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);
alter table pgvigil.alert set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200);


create table pgvigil.setting (
    setting text not null,
    value text not null,
    kind text not null,
    description text not null,
    constraint setting_pkey primary key (setting),
    constraint setting_kind_is_known check (kind in ('integer', 'interval', 'text', 'boolean'))
);
comment on table pgvigil.setting is 'Knobs of the server side. update pgvigil.setting set value = .. where setting = ..';
comment on column pgvigil.setting.setting is 'Name.';
comment on column pgvigil.setting.value is 'Value, readable as its kind.';
comment on column pgvigil.setting.kind is 'integer, interval, boolean or text.';
comment on column pgvigil.setting.description is 'What it does.';

insert into pgvigil.setting (setting, value, kind, description)
values
('partition_days_ahead', '7', 'integer', 'Days for which partitions are made ahead.'),
('gap_intervals', '3', 'integer', 'Missed beats of a host that break a hold.'),
('mail_lease', '2 minutes', 'interval', 'How long a mailer may take over one mail before another one tries.'),
('mail_retry_first', '5 seconds', 'interval', 'Wait after the first failed attempt; doubled each time.'),
('mail_retry_longest', '10 minutes', 'interval', 'Longest wait between two attempts.'),
('doorbell', 'on', 'boolean', 'NOTIFY mailers of new mails; off = they find them when they poll.');
