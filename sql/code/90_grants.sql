-- Who may do what. Everything is taken from everybody first, so that what stands here is all there is.

revoke all on schema pgvigil, pgvigil_partition, dashboard from public;
revoke all on all tables in schema pgvigil, pgvigil_partition, dashboard from public;
revoke all on all functions in schema pgvigil, dashboard from public;
revoke all on all tables in schema pgvigil, pgvigil_partition, dashboard
from pgvigil_agent, pgvigil_mailer, pgvigil_operator, pgvigil_reader;
revoke all on all functions in schema pgvigil, dashboard
from pgvigil_agent, pgvigil_mailer, pgvigil_operator, pgvigil_reader;

-- Temporary tables fill a disk as others do: who looks at dashboards, or inserts, makes none. Only the owner of the database can say so.
do $$
begin
    if pg_has_role((select d.datdba from pg_catalog.pg_database as d where d.datname = current_database()), 'usage') then
        execute format('revoke temporary on database %I from public', current_database());
        execute format('grant temporary on database %I to pgvigil_operator', current_database());
    end if;
end
$$;

grant usage on schema pgvigil to pgvigil_agent, pgvigil_mailer, pgvigil_operator;
grant usage on schema dashboard to pgvigil_operator, pgvigil_reader;

-- The agent writes and never reads, but which hosts are its own: row security asks that. updated_at and is_deleted are the server's.
grant insert (
    created_at, host_id, cpu_name, cpu_usage, user_usage, system_usage, iowait_usage, steal_usage, load_1m
) on pgvigil.cpu_log to pgvigil_agent;
grant insert (
    created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes
) on pgvigil.memory_log to pgvigil_agent;
grant insert (
    created_at, host_id, disk_name, disk_usage, inode_usage, io_usage, used_bytes, available_bytes,
    read_bytes_per_second, write_bytes_per_second
) on pgvigil.disk_log to pgvigil_agent;
grant insert (
    created_at, host_id, network_interface, received_bytes_per_second, sent_bytes_per_second, errors_per_second,
    drops_per_second, link_usage
) on pgvigil.network_log to pgvigil_agent;
grant select on pgvigil.own_host to pgvigil_agent;
grant execute on function
pgvigil.register_host(text, interval, text, text[], jsonb),
pgvigil.record_inventory(integer, jsonb),
pgvigil.record_agent_problems(integer, jsonb)
to pgvigil_agent;

-- The mailer touches no table: it claims, marks and ticks.
grant execute on function
pgvigil.check_health(jsonb, timestamptz),
pgvigil.claim_mail(text, integer, timestamptz),
pgvigil.mark_mail_sent(integer, bigint, text, text, timestamptz),
pgvigil.mark_mail_failed(integer, bigint, text, text, boolean, timestamptz),
pgvigil.next_mail_due(timestamptz),
pgvigil.preview_mail(bigint, text, text, text),
pgvigil.tick(timestamptz)
to pgvigil_mailer;

-- The operator reads everything and edits what is made to be edited.
grant select on all tables in schema pgvigil, dashboard to pgvigil_operator;
grant insert, update, delete on pgvigil.threshold, pgvigil.recipient, pgvigil.silence to pgvigil_operator;
grant update (value) on pgvigil.setting to pgvigil_operator;
grant update (retention, pack_after, five_minute_retention, hourly_retention, daily_retention) on pgvigil.log_table to pgvigil_operator;
grant update (is_enabled) on pgvigil.metric to pgvigil_operator;
grant update (expected, groups, labels, is_deleted, login_role) on pgvigil.host to pgvigil_operator;
grant insert (host_name, groups, labels, expected, sample_interval, login_role) on pgvigil.host to pgvigil_operator;
grant execute on function
pgvigil.acknowledge(text, text, text, text),
pgvigil.check_health(jsonb, timestamptz),
pgvigil.backtest(
    text, text, text, double precision, double precision, interval, double precision, timestamptz, timestamptz
),
pgvigil.cpu_samples(integer, timestamptz, timestamptz),
pgvigil.disk_samples(integer, timestamptz, timestamptz),
pgvigil.explain_alert(text, text, text, timestamptz, timestamptz),
pgvigil.forecast_disk(integer, text, timestamptz),
pgvigil.forget_resource(text, text),
pgvigil.host_id_of(text),
pgvigil.is_future(timestamptz, timestamptz),
pgvigil.is_within(timestamptz, smallint[], time, time, text),
pgvigil.limit_of(text, text, double precision, double precision, interval, double precision),
pgvigil.mail_of_event(text, boolean, boolean, boolean),
pgvigil.memory_samples(integer, timestamptz, timestamptz),
pgvigil.network_samples(integer, timestamptz, timestamptz),
pgvigil.next_state(pgvigil.alert_state, pgvigil.alert_limit, timestamptz, double precision),
pgvigil.play(text, text, text, pgvigil.alert_limit, timestamptz, timestamptz),
pgvigil.preview_mail(bigint, text, text, text),
pgvigil.rank_thresholds(integer, text, text),
pgvigil.refusals_of_scope(text, jsonb),
pgvigil.resend_mail(text, text),
pgvigil.revert_threshold(bigint),
pgvigil.samples_of(text, text, text, timestamptz, timestamptz),
pgvigil.setting(text),
pgvigil.silence_for(interval, text, text, text, text, text),
pgvigil.silence_until(timestamptz, text, text, text, text, text),
pgvigil.silenced_by(integer, text, text, timestamptz),
pgvigil.suggest_threshold(text, text, text, timestamptz, timestamptz),
pgvigil.sync_thresholds(jsonb),
pgvigil.who_gets(text, text, text, timestamptz)
to pgvigil_operator;
grant execute on all functions in schema dashboard to pgvigil_operator, pgvigil_reader;

grant select on all tables in schema dashboard to pgvigil_reader;
