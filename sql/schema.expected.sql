-- Written by PGVIGIL_TEST_UPDATE_DOCS=1 pytest tests/integration/test_upgrade.py; read the diff.

ALTER TABLE ONLY pgvigil.agent_problem
    ADD CONSTRAINT agent_problem_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id);

ALTER TABLE ONLY pgvigil.agent_problem
    ADD CONSTRAINT agent_problem_pkey PRIMARY KEY (host_id, problem, subject);

ALTER TABLE ONLY pgvigil.alert
    ADD CONSTRAINT alert_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id);

ALTER TABLE ONLY pgvigil.alert
    ADD CONSTRAINT alert_metric_exists FOREIGN KEY (metric) REFERENCES pgvigil.metric(metric) ON UPDATE CASCADE;

ALTER TABLE ONLY pgvigil.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (host_id, alert_id);

ALTER TABLE ONLY pgvigil.alert_event
    ADD CONSTRAINT alert_event_alert_exists FOREIGN KEY (host_id, alert_id) REFERENCES pgvigil.alert(host_id, alert_id);

ALTER TABLE ONLY pgvigil.alert_event
    ADD CONSTRAINT alert_event_pkey PRIMARY KEY (host_id, event_id);

ALTER TABLE ONLY pgvigil.cpu_info
    ADD CONSTRAINT cpu_info_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id);

ALTER TABLE ONLY pgvigil.cpu_info
    ADD CONSTRAINT cpu_info_id_is_unique UNIQUE (host_id, id);

ALTER TABLE ONLY pgvigil.cpu_info
    ADD CONSTRAINT cpu_info_pkey PRIMARY KEY (host_id, cpu_name);

ALTER TABLE ONLY pgvigil.cpu_log
    ADD CONSTRAINT cpu_log_pkey PRIMARY KEY (host_id, created_at, cpu_name);

ALTER TABLE ONLY pgvigil.cpu_packed
    ADD CONSTRAINT cpu_packed_pkey PRIMARY KEY (host_id, hour_at, resource, is_deleted);

ALTER TABLE ONLY pgvigil.cpu_rollup_1d
    ADD CONSTRAINT cpu_rollup_1d_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.cpu_rollup_1h
    ADD CONSTRAINT cpu_rollup_1h_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.cpu_rollup_5m
    ADD CONSTRAINT cpu_rollup_5m_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.disk_info
    ADD CONSTRAINT disk_info_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id);

ALTER TABLE ONLY pgvigil.disk_info
    ADD CONSTRAINT disk_info_id_is_unique UNIQUE (host_id, id);

ALTER TABLE ONLY pgvigil.disk_info
    ADD CONSTRAINT disk_info_pkey PRIMARY KEY (host_id, disk_name);

ALTER TABLE ONLY pgvigil.disk_log
    ADD CONSTRAINT disk_log_pkey PRIMARY KEY (host_id, created_at, disk_name);

ALTER TABLE ONLY pgvigil.disk_packed
    ADD CONSTRAINT disk_packed_pkey PRIMARY KEY (host_id, hour_at, resource, is_deleted);

ALTER TABLE ONLY pgvigil.disk_rollup_1d
    ADD CONSTRAINT disk_rollup_1d_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.disk_rollup_1h
    ADD CONSTRAINT disk_rollup_1h_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.disk_rollup_5m
    ADD CONSTRAINT disk_rollup_5m_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.fleet_rollup
    ADD CONSTRAINT fleet_rollup_pkey PRIMARY KEY (width, metric, bucket_at);

ALTER TABLE ONLY pgvigil.gate
    ADD CONSTRAINT gate_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgvigil.gate
    ADD CONSTRAINT gate_pkey PRIMARY KEY (host_id, log_table, has_open_alert);

ALTER TABLE ONLY pgvigil.host
    ADD CONSTRAINT host_name_is_unique UNIQUE (host_name);

ALTER TABLE ONLY pgvigil.host
    ADD CONSTRAINT host_pkey PRIMARY KEY (host_id);

ALTER TABLE ONLY pgvigil.host_lock
    ADD CONSTRAINT host_lock_pkey PRIMARY KEY (host_id);

ALTER TABLE ONLY pgvigil.late_hour
    ADD CONSTRAINT late_hour_pkey PRIMARY KEY (host_id, hour_at, transaction_id);

ALTER TABLE ONLY pgvigil.log_table
    ADD CONSTRAINT log_table_pkey PRIMARY KEY (log_table);

ALTER TABLE ONLY pgvigil.mail
    ADD CONSTRAINT mail_alert_exists FOREIGN KEY (host_id, alert_id) REFERENCES pgvigil.alert(host_id, alert_id);

ALTER TABLE ONLY pgvigil.mail
    ADD CONSTRAINT mail_pkey PRIMARY KEY (host_id, mail_id);

ALTER TABLE ONLY pgvigil.mailbox
    ADD CONSTRAINT mailbox_pkey PRIMARY KEY (address);

ALTER TABLE ONLY pgvigil.memory_info
    ADD CONSTRAINT memory_info_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id);

ALTER TABLE ONLY pgvigil.memory_info
    ADD CONSTRAINT memory_info_id_is_unique UNIQUE (host_id, id);

ALTER TABLE ONLY pgvigil.memory_info
    ADD CONSTRAINT memory_info_pkey PRIMARY KEY (host_id, memory_name);

ALTER TABLE ONLY pgvigil.memory_log
    ADD CONSTRAINT memory_log_pkey PRIMARY KEY (host_id, created_at, memory_name);

ALTER TABLE ONLY pgvigil.memory_packed
    ADD CONSTRAINT memory_packed_pkey PRIMARY KEY (host_id, hour_at, resource, is_deleted);

ALTER TABLE ONLY pgvigil.memory_rollup_1d
    ADD CONSTRAINT memory_rollup_1d_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.memory_rollup_1h
    ADD CONSTRAINT memory_rollup_1h_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.memory_rollup_5m
    ADD CONSTRAINT memory_rollup_5m_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.metric
    ADD CONSTRAINT metric_column_is_unique UNIQUE (log_table, column_name);

ALTER TABLE ONLY pgvigil.metric
    ADD CONSTRAINT metric_log_table_exists FOREIGN KEY (log_table) REFERENCES pgvigil.log_table(log_table);

ALTER TABLE ONLY pgvigil.metric
    ADD CONSTRAINT metric_pkey PRIMARY KEY (metric);

ALTER TABLE ONLY pgvigil.metric
    ADD CONSTRAINT metric_position_is_unique UNIQUE (log_table, "position");

ALTER TABLE ONLY pgvigil.network_info
    ADD CONSTRAINT network_info_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id);

ALTER TABLE ONLY pgvigil.network_info
    ADD CONSTRAINT network_info_id_is_unique UNIQUE (host_id, id);

ALTER TABLE ONLY pgvigil.network_info
    ADD CONSTRAINT network_info_pkey PRIMARY KEY (host_id, network_interface);

ALTER TABLE ONLY pgvigil.network_log
    ADD CONSTRAINT network_log_pkey PRIMARY KEY (host_id, created_at, network_interface);

ALTER TABLE ONLY pgvigil.network_packed
    ADD CONSTRAINT network_packed_pkey PRIMARY KEY (host_id, hour_at, resource, is_deleted);

ALTER TABLE ONLY pgvigil.network_rollup_1d
    ADD CONSTRAINT network_rollup_1d_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.network_rollup_1h
    ADD CONSTRAINT network_rollup_1h_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.network_rollup_5m
    ADD CONSTRAINT network_rollup_5m_pkey PRIMARY KEY (host_id, bucket_at, resource);

ALTER TABLE ONLY pgvigil.packed_day
    ADD CONSTRAINT packed_day_log_table_exists FOREIGN KEY (log_table) REFERENCES pgvigil.log_table(log_table);

ALTER TABLE ONLY pgvigil.packed_day
    ADD CONSTRAINT packed_day_pkey PRIMARY KEY (log_table, day);

ALTER TABLE ONLY pgvigil.recipient
    ADD CONSTRAINT recipient_is_unique UNIQUE NULLS NOT DISTINCT (address, host_group, metric);

ALTER TABLE ONLY pgvigil.recipient
    ADD CONSTRAINT recipient_metric_exists FOREIGN KEY (metric) REFERENCES pgvigil.metric(metric) ON UPDATE CASCADE;

ALTER TABLE ONLY pgvigil.recipient
    ADD CONSTRAINT recipient_pkey PRIMARY KEY (recipient_id);

ALTER TABLE ONLY pgvigil.rollup_horizon
    ADD CONSTRAINT rollup_horizon_pkey PRIMARY KEY (is_only);

ALTER TABLE ONLY pgvigil.rollup_progress
    ADD CONSTRAINT rollup_progress_host_exists FOREIGN KEY (host_id) REFERENCES pgvigil.host(host_id) ON DELETE CASCADE;

ALTER TABLE ONLY pgvigil.rollup_progress
    ADD CONSTRAINT rollup_progress_pkey PRIMARY KEY (host_id);

ALTER TABLE ONLY pgvigil.rule_error
    ADD CONSTRAINT rule_error_pkey PRIMARY KEY (rule_error_id);

ALTER TABLE ONLY pgvigil.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY pgvigil.setting
    ADD CONSTRAINT setting_pkey PRIMARY KEY (setting);

ALTER TABLE ONLY pgvigil.silence
    ADD CONSTRAINT silence_host_exists FOREIGN KEY (host_name) REFERENCES pgvigil.host(host_name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY pgvigil.silence
    ADD CONSTRAINT silence_metric_exists FOREIGN KEY (metric) REFERENCES pgvigil.metric(metric) ON UPDATE CASCADE;

ALTER TABLE ONLY pgvigil.silence
    ADD CONSTRAINT silence_pkey PRIMARY KEY (silence_id);

ALTER TABLE ONLY pgvigil.threshold
    ADD CONSTRAINT threshold_host_exists FOREIGN KEY (host_name) REFERENCES pgvigil.host(host_name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY pgvigil.threshold
    ADD CONSTRAINT threshold_metric_exists FOREIGN KEY (metric) REFERENCES pgvigil.metric(metric) ON UPDATE CASCADE;

ALTER TABLE ONLY pgvigil.threshold
    ADD CONSTRAINT threshold_pkey PRIMARY KEY (threshold_id);

ALTER TABLE ONLY pgvigil.threshold
    ADD CONSTRAINT threshold_scope_is_unique UNIQUE NULLS NOT DISTINCT (metric, host_name, host_group, resource, managed_by);

ALTER TABLE ONLY pgvigil.threshold_history
    ADD CONSTRAINT threshold_history_pkey PRIMARY KEY (history_id);

ALTER TABLE ONLY pgvigil.upkeep
    ADD CONSTRAINT upkeep_pkey PRIMARY KEY (task);

ALTER TABLE pgvigil.alert ALTER COLUMN alert_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.alert_alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.alert_event ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.alert_event_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.cpu_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE pgvigil.disk_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE pgvigil.host ALTER COLUMN host_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.host_host_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.mail ALTER COLUMN mail_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.mail_mail_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.memory_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE pgvigil.network_log ENABLE ROW LEVEL SECURITY;

ALTER TABLE pgvigil.recipient ALTER COLUMN recipient_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.recipient_recipient_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.rule_error ALTER COLUMN rule_error_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.rule_error_rule_error_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.silence ALTER COLUMN silence_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.silence_silence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.threshold ALTER COLUMN threshold_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.threshold_threshold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE pgvigil.threshold_history ALTER COLUMN history_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME pgvigil.threshold_history_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE FUNCTION dashboard.cpu_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 1000) RETURNS TABLE("time" timestamp with time zone, resource text, cpu_usage double precision, cpu_usage_max double precision, user_usage double precision, user_usage_max double precision, system_usage double precision, system_usage_max double precision, iowait_usage double precision, iowait_usage_max double precision, steal_usage double precision, steal_usage_max double precision, load_1m double precision, load_1m_max double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    SET enable_indexscan TO 'off'
    SET effective_io_concurrency TO '64'
    AS $$..$$;

CREATE FUNCTION dashboard.delay_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 200) RETURNS TABLE("time" timestamp with time zone, delay_seconds double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.disk_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 1000) RETURNS TABLE("time" timestamp with time zone, resource text, used_bytes double precision, used_bytes_max double precision, available_bytes double precision, available_bytes_max double precision, disk_usage double precision, disk_usage_max double precision, inode_usage double precision, inode_usage_max double precision, io_usage double precision, io_usage_max double precision, read_bytes_per_second double precision, read_bytes_per_second_max double precision, write_bytes_per_second double precision, write_bytes_per_second_max double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    SET enable_indexscan TO 'off'
    SET effective_io_concurrency TO '64'
    AS $$..$$;

CREATE FUNCTION dashboard.effective_threshold(p_host_name text) RETURNS TABLE(metric text, title text, resource text, warning double precision, critical double precision, hold_seconds double precision, mode text, scope text, unit text, threshold_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.fleet_series(p_metric text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 1000) RETURNS TABLE("time" timestamp with time zone, value double precision, value_max double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET jit TO 'off'
    AS $$..$$;

CREATE FUNCTION dashboard.incident_region(p_host_name text, p_severity text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE("time" timestamp with time zone, timeend timestamp with time zone, text text, tags text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.incident_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 60) RETURNS TABLE("time" timestamp with time zone, warning bigint, critical bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.limit_series(p_host_name text, p_metric text, p_resources text[], p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE("time" timestamp with time zone, metric text, value double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.mail_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 60) RETURNS TABLE("time" timestamp with time zone, sent bigint, failed bigint, waiting bigint, delivery_seconds double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.memory_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 1000) RETURNS TABLE("time" timestamp with time zone, resource text, used_bytes double precision, used_bytes_max double precision, available_bytes double precision, available_bytes_max double precision, memory_usage double precision, memory_usage_max double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    SET enable_indexscan TO 'off'
    SET effective_io_concurrency TO '64'
    AS $$..$$;

CREATE FUNCTION dashboard.network_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer DEFAULT 1000) RETURNS TABLE("time" timestamp with time zone, resource text, received_bytes_per_second double precision, received_bytes_per_second_max double precision, sent_bytes_per_second double precision, sent_bytes_per_second_max double precision, errors_per_second double precision, errors_per_second_max double precision, drops_per_second double precision, drops_per_second_max double precision, link_usage double precision, link_usage_max double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    SET jit TO 'off'
    SET enable_indexscan TO 'off'
    SET effective_io_concurrency TO '64'
    AS $$..$$;

CREATE FUNCTION dashboard.noisy_rule(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE(threshold_id bigint, title text, scope text, mode text, incidents bigint, hosts bigint, firing_seconds double precision, reopened bigint, mails bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET jit TO 'off'
    SET work_mem TO '16MB'
    AS $$..$$;

CREATE FUNCTION dashboard.part(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) RETURNS TABLE(at timestamp with time zone, until timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION dashboard.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.sparkline(p_host_id integer, p_metric text, p_resource text, p_until timestamp with time zone, p_span interval, p_buckets integer) RETURNS double precision[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION dashboard.state_series(p_from timestamp with time zone, p_to timestamp with time zone, p_hosts integer DEFAULT 20, p_points integer DEFAULT 200) RETURNS TABLE("time" timestamp with time zone, metric text, value bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET jit TO 'off'
    SET work_mem TO '16MB'
    AS $$..$$;

CREATE FUNCTION dashboard.would_have_mailed(p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE("time" timestamp with time zone, host_name text, title text, resource text, event text, severity text, value double precision, unit text, addresses text, threshold_id bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.acknowledge(p_host_name text, p_metric text DEFAULT NULL::text, p_resource text DEFAULT NULL::text, p_note text DEFAULT ''::text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.advance_days(p_stop_at timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.advance_fleet(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.advance_horizon(p_as_of timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.advance_rollups(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.backtest(p_host_name text, p_metric text, p_resource text, p_warning double precision, p_critical double precision DEFAULT NULL::double precision, p_hold interval DEFAULT '00:00:00'::interval, p_clear_band double precision DEFAULT NULL::double precision, p_since timestamp with time zone DEFAULT (statement_timestamp() - '7 days'::interval), p_until timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(at timestamp with time zone, value double precision, event text, severity text, mail text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.cancel_alert(p_alert pgvigil.alert) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.check_health(p_migrations jsonb, p_as_of timestamp with time zone) RETURNS TABLE(name text, is_ok boolean, detail text, remedy text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.claim_host(p_host_name text) RETURNS name
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.claim_mail(p_mailer text, p_limit integer, p_as_of timestamp with time zone) RETURNS SETOF pgvigil.mail_text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.claim_next(p_address text, p_mailer text, p_as_of timestamp with time zone) RETURNS pgvigil.mail
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.close_alert(p_alert pgvigil.alert, p_reading pgvigil.reading, p_event text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.cpu_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) RETURNS SETOF pgvigil.cpu_log
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.delete_expired_mail(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.deliver(p_alert pgvigil.alert, p_mail_event text, p_now timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.digest_items(p_mail pgvigil.mail) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.disk_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) RETURNS SETOF pgvigil.disk_log
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.drop_expired_partitions(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET lock_timeout TO '50ms'
    AS $$..$$;

CREATE FUNCTION pgvigil.end_long_reads(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.ensure_history_columns() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.ensure_partitions(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "TimeZone" TO 'UTC'
    AS $$..$$;

CREATE FUNCTION pgvigil.explain_alert(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone DEFAULT (statement_timestamp() - '01:00:00'::interval), p_until timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(at timestamp with time zone, value double precision, state text, severity text, event text, why text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.filling_disks(p_groups text[], p_as_of timestamp with time zone) RETURNS TABLE(host_name text, resource text, usage double precision, days_left double precision, bytes_per_day double precision, statement text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.finish_packing(p_log_table text, p_day date) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET lock_timeout TO '50ms'
    SET "DateStyle" TO 'ISO'
    SET "TimeZone" TO 'UTC'
    AS $$..$$;

CREATE FUNCTION pgvigil.forecast_disk(p_host_id integer, p_disk_name text, p_as_of timestamp with time zone) RETURNS TABLE(seconds_left double precision, earliest timestamp with time zone, latest timestamp with time zone, bytes_per_second double precision, fit double precision)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.forget_resource(p_host_name text, p_resource text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.form_digest(p_lead pgvigil.mail, p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.handle_rule_errors(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.has_newer_sample(p_log_table text, p_reading pgvigil.reading) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.has_open_alert(p_host_id integer, p_metric text, p_resource text) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.host_id_of(p_host_name text) RETURNS integer
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.is_due(p_task text, p_every interval, p_as_of timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.is_future(p_at timestamp with time zone, p_stored_at timestamp with time zone) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.is_own_host(p_host_id integer) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.is_shared_login(p_login name) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.is_within(p_at timestamp with time zone, p_weekdays smallint[], p_from_time time without time zone, p_to_time time without time zone, p_time_zone text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.judge(p_log_table text, p_readings pgvigil.reading[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.judge_derived(p_host_id integer, p_metric text, p_resource text, p_value double precision, p_as_of timestamp with time zone, p_detail text DEFAULT NULL::text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.judge_events(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.judge_reading(p_log_table text, p_reading pgvigil.reading) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.keep_state(p_log_table text, p_reading pgvigil.reading, p_alert pgvigil.alert, p_state pgvigil.alert_state, p_rule record) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.late_after() RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.limit_of(p_host_name text, p_metric text, p_warning double precision, p_critical double precision, p_hold interval, p_clear_band double precision) RETURNS pgvigil.alert_limit
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.lock_host(p_host_id integer) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.mail_of_event(p_event text, p_is_reopened boolean, p_is_quiet boolean, p_is_worse boolean) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.mail_text_of(p_mail pgvigil.mail) RETURNS pgvigil.mail_text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_cpu_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_cpu_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_cpu_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_disk_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_disk_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_disk_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_memory_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_memory_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_memory_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_network_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_network_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.make_network_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $$..$$;

CREATE FUNCTION pgvigil.mark_fleet(p_at timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.mark_mail_failed(p_host_id integer, p_mail_id bigint, p_error text, p_about text, p_is_permanent boolean, p_as_of timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.mark_mail_sent(p_host_id integer, p_mail_id bigint, p_message_id text, p_server_reply text, p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.memory_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) RETURNS SETOF pgvigil.memory_log
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.network_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) RETURNS SETOF pgvigil.network_log
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.next_mail_due(p_as_of timestamp with time zone) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.next_of_mailbox(p_box pgvigil.mailbox, p_as_of timestamp with time zone) RETURNS pgvigil.mail
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.next_state(p_state pgvigil.alert_state, p_limit pgvigil.alert_limit, p_at timestamp with time zone, p_value double precision) RETURNS pgvigil.alert_state
    LANGUAGE plpgsql IMMUTABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.noisy_rules(p_groups text[], p_as_of timestamp with time zone) RETURNS TABLE(metric text, title text, scope text, threshold_id bigint, incidents bigint, mails bigint, worst text, remaining bigint, statement text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.note_event(p_alert pgvigil.alert, p_event text, p_mail_event text, p_at timestamp with time zone, p_now timestamp with time zone) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.open_alert(p_log_table text, p_reading pgvigil.reading, p_alert pgvigil.alert, p_state pgvigil.alert_state) RETURNS pgvigil.alert
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.pack(p_log_table text, p_source text, p_target text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.pack_history(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET "DateStyle" TO 'ISO'
    SET "TimeZone" TO 'UTC'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.pack_host(p_log_table text, p_day date, p_host_id integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.pack_late(p_host_id integer, p_hour_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.packed_partition(p_log_table text, p_day date) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.partition_day(p_partition text) RETURNS date
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.partitioned_tables() RETURNS TABLE(table_name text, days integer, retention interval, made_back interval)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.play(p_host_name text, p_metric text, p_resource text, p_limit pgvigil.alert_limit, p_since timestamp with time zone, p_until timestamp with time zone) RETURNS TABLE(at timestamp with time zone, value double precision, state text, severity text, event text, mail text, why text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.preview_mail(p_alert_id bigint DEFAULT NULL::bigint, p_event text DEFAULT NULL::text, p_language text DEFAULT 'en'::text, p_time_zone text DEFAULT 'UTC'::text) RETURNS pgvigil.mail_text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.queue_mail(p_alert pgvigil.alert, p_event text, p_now timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.rank_thresholds(p_host_id integer, p_metric text, p_resource text) RETURNS TABLE(threshold_id bigint, rank bigint, scope text, mode text, remind_every interval, alert_limit pgvigil.alert_limit)
    LANGUAGE sql STABLE
    AS $$..$$;

CREATE FUNCTION pgvigil.rebuild_judging() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.rebuild_rollups() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.rebuild_samples() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.rebuild_series() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.recent_values(p_host_id integer, p_metric text, p_resource text, p_until timestamp with time zone, p_span interval, p_buckets integer) RETURNS double precision[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.record_agent_problems(p_host_id integer, p_problems jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.record_inventory(p_host_id integer, p_inventory jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.record_rule_error(p_log_table text, p_reading pgvigil.reading, p_threshold_id bigint, p_sqlstate text, p_message text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.refresh_gate(p_host_id integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET jit TO 'off'
    AS $$..$$;

CREATE FUNCTION pgvigil.refresh_gates(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.refusals_of_scope(p_table text, p_row jsonb) RETURNS TABLE(name text, message text, hint text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.register_host(p_host_name text, p_sample_interval interval, p_agent_version text, p_groups text[] DEFAULT NULL::text[], p_labels jsonb DEFAULT NULL::jsonb) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.repair_rollups(p_as_of timestamp with time zone, p_stop_at timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.report_rollout(p_host_name text, p_service text, p_failure text DEFAULT NULL::text, p_as_of timestamp with time zone DEFAULT statement_timestamp()) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.require_now(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.resend_mail(p_address text, p_to text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.revert_threshold(p_history_id bigint) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.ring() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.roll_up(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone, p_width text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.roll_up_fleet(p_from timestamp with time zone, p_until timestamp with time zone, p_width text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    SET plan_cache_mode TO 'force_custom_plan'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.samples_of(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) RETURNS TABLE(host_id integer, at timestamp with time zone, stored_at timestamp with time zone, value double precision)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.seen_at(p_host_id integer, p_as_of timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.send_reminders(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.series_span(p_host_id integer, p_log_table text, p_from timestamp with time zone, p_until timestamp with time zone, p_points integer, OUT step interval, OUT daily_until timestamp with time zone, OUT hourly_until timestamp with time zone, OUT five_minute_until timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.series_step(p_from timestamp with time zone, p_until timestamp with time zone, p_points integer) RETURNS interval
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.setting(p_setting text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.silence_for(p_duration interval, p_host_name text DEFAULT NULL::text, p_host_group text DEFAULT NULL::text, p_metric text DEFAULT NULL::text, p_resource text DEFAULT NULL::text, p_note text DEFAULT ''::text) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.silence_until(p_until timestamp with time zone, p_host_name text DEFAULT NULL::text, p_host_group text DEFAULT NULL::text, p_metric text DEFAULT NULL::text, p_resource text DEFAULT NULL::text, p_note text DEFAULT ''::text) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.suggest_threshold(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone DEFAULT (statement_timestamp() - '7 days'::interval), p_until timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(samples bigint, median double precision, p95 double precision, p99 double precision, worst double precision, warning double precision, critical double precision, hold interval, mails bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.sweep_gate(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.sync_thresholds(p_rules jsonb) RETURNS TABLE(inserted integer, updated integer, deleted integer)
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_cpu_log__judge() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_disk_log__judge() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_host__note_shared_login() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_host__refresh_gate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_log__mark_late() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_mail__ring() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_memory_log__judge() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_metric__rebuild_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_metric__rebuild_judging() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_network_log__judge() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_recipient__validate() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.tg_setting__rebuild_judging() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_setting__validate() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_silence__validate() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_threshold__history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_threshold__own() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_threshold__refresh_gate() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tg_threshold__validate() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.tick(p_as_of timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_temp'
    SET jit TO 'off'
    SET lock_timeout TO '2s'
    AS $_$..$_$;

CREATE FUNCTION pgvigil.try_lock_host(p_host_id integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.unseen_hosts(p_groups text[], p_as_of timestamp with time zone) RETURNS TABLE(host_name text, last_seen_at timestamp with time zone, statement text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.waiting_addresses() RETURNS TABLE(address text, due_at timestamp with time zone)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.watch_agent_problems(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.watch_clocks(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.watch_disks(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.watch_mail(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.watch_silence(p_as_of timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.weekly_report(p_groups text[], p_as_of timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.who_gets(p_host_name text, p_metric text, p_severity text, p_at timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(address text, language text, time_zone text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE FUNCTION pgvigil.write_weekly_reports(p_as_of timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_temp'
    AS $$..$$;

CREATE INDEX alert_event_of_alert ON pgvigil.alert_event USING btree (host_id, alert_id);

CREATE INDEX alert_event_recent ON pgvigil.alert_event USING btree (created_at);

CREATE INDEX alert_event_shadow ON pgvigil.alert_event USING btree (at) WHERE is_shadow;

CREATE INDEX alert_recent ON pgvigil.alert USING btree (fired_at) INCLUDE (worst_severity, is_shadow);

CREATE INDEX alert_until ON pgvigil.alert USING btree (COALESCE(resolved_at, 'infinity'::timestamp with time zone));

CREATE INDEX host_of_login ON pgvigil.host USING btree (login_role);

CREATE INDEX mail_claimed ON pgvigil.mail USING btree (claimed_until) WHERE (claimed_until IS NOT NULL);

CREATE INDEX mail_covered ON pgvigil.mail USING btree (covered_by) WHERE (covered_by IS NOT NULL);

CREATE INDEX mail_critical_waiting ON pgvigil.mail USING btree (address, due_at) WHERE ((severity = 'critical'::text) AND (event = ANY (ARRAY['fired'::text, 'escalated'::text])) AND (sent_at IS NULL) AND (failed_at IS NULL) AND (covered_by IS NULL));

CREATE INDEX mail_given_up ON pgvigil.mail USING btree (failed_at) WHERE (failed_at IS NOT NULL);

CREATE INDEX mail_recent ON pgvigil.mail USING btree (created_at) INCLUDE (sent_at, failed_at);

CREATE INDEX mail_thread ON pgvigil.mail USING btree (host_id, alert_id, address, mail_id);

CREATE INDEX mail_unsent ON pgvigil.mail USING btree (created_at) WHERE ((sent_at IS NULL) AND (failed_at IS NULL));

CREATE INDEX mail_waiting ON pgvigil.mail USING btree (address, due_at, mail_id) WHERE ((sent_at IS NULL) AND (failed_at IS NULL) AND (covered_by IS NULL));

CREATE INDEX threshold_history_of_threshold ON pgvigil.threshold_history USING btree (threshold_id);

CREATE POLICY all_hosts ON pgvigil.cpu_log FOR SELECT USING (true);

CREATE POLICY all_hosts ON pgvigil.disk_log FOR SELECT USING (true);

CREATE POLICY all_hosts ON pgvigil.memory_log FOR SELECT USING (true);

CREATE POLICY all_hosts ON pgvigil.network_log FOR SELECT USING (true);

CREATE POLICY own_host ON pgvigil.cpu_log FOR INSERT WITH CHECK ((EXISTS ( SELECT
   FROM pgvigil.own_host o
  WHERE (o.host_id = cpu_log.host_id))));

CREATE POLICY own_host ON pgvigil.disk_log FOR INSERT WITH CHECK ((EXISTS ( SELECT
   FROM pgvigil.own_host o
  WHERE (o.host_id = disk_log.host_id))));

CREATE POLICY own_host ON pgvigil.memory_log FOR INSERT WITH CHECK ((EXISTS ( SELECT
   FROM pgvigil.own_host o
  WHERE (o.host_id = memory_log.host_id))));

CREATE POLICY own_host ON pgvigil.network_log FOR INSERT WITH CHECK ((EXISTS ( SELECT
   FROM pgvigil.own_host o
  WHERE (o.host_id = network_log.host_id))));

CREATE SCHEMA dashboard;

CREATE SCHEMA pgvigil;

CREATE TABLE pgvigil.agent_problem (
    host_id integer NOT NULL,
    problem text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    occurrences bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    CONSTRAINT agent_problem_ends_after_it_started CHECK ((last_at >= started_at)),
    CONSTRAINT agent_problem_occurred CHECK ((occurrences > 0))
);

CREATE TABLE pgvigil.alert (
    alert_id bigint NOT NULL,
    host_id integer NOT NULL,
    log_table text,
    metric text NOT NULL,
    resource text NOT NULL,
    threshold_id bigint,
    state text NOT NULL,
    severity text NOT NULL,
    is_shadow boolean DEFAULT false NOT NULL,
    value double precision NOT NULL,
    peak_value double precision NOT NULL,
    warning double precision,
    critical double precision,
    hold interval NOT NULL,
    pending_at timestamp with time zone NOT NULL,
    judged_at timestamp with time zone NOT NULL,
    fired_at timestamp with time zone,
    resolved_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    worst_severity text DEFAULT 'warning'::text NOT NULL,
    reopened integer DEFAULT 0 NOT NULL,
    quiet_until timestamp with time zone,
    unknown_since timestamp with time zone,
    next_remind_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    acknowledged_by text,
    acknowledged_note text,
    withheld_event text,
    detail text DEFAULT ''::text NOT NULL,
    mails integer DEFAULT 0 NOT NULL,
    CONSTRAINT alert_acknowledged_has_who CHECK (((acknowledged_at IS NULL) = (acknowledged_by IS NULL))),
    CONSTRAINT alert_fired_unless_pending CHECK (((state = 'pending'::text) = (fired_at IS NULL))),
    CONSTRAINT alert_resolved_after_fired CHECK ((resolved_at >= fired_at)),
    CONSTRAINT alert_resolved_has_time CHECK (((state = 'resolved'::text) = (resolved_at IS NOT NULL))),
    CONSTRAINT alert_severity_is_known CHECK ((severity = ANY (ARRAY['warning'::text, 'critical'::text]))),
    CONSTRAINT alert_state_is_known CHECK ((state = ANY (ARRAY['pending'::text, 'firing'::text, 'resolved'::text]))),
    CONSTRAINT alert_worst_severity_is_known CHECK ((worst_severity = ANY (ARRAY['warning'::text, 'critical'::text])))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='200');

CREATE TABLE pgvigil.alert_event (
    event_id bigint NOT NULL,
    host_id integer NOT NULL,
    alert_id bigint NOT NULL,
    event text NOT NULL,
    mail_event text,
    severity text NOT NULL,
    value double precision NOT NULL,
    at timestamp with time zone NOT NULL,
    is_shadow boolean NOT NULL,
    silence_id bigint,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    CONSTRAINT alert_event_is_known CHECK ((event = ANY (ARRAY['fired'::text, 'escalated'::text, 'eased'::text, 'resolved'::text, 'cancelled'::text, 'reminder'::text, 'acknowledged'::text])))
);

CREATE TABLE pgvigil.cpu_info (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    host_id integer NOT NULL,
    cpu_name text NOT NULL,
    cpu_core integer NOT NULL,
    physical_cores integer,
    model_name text,
    max_mhz real,
    is_deleted boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE pgvigil.cpu_log (
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    host_id integer NOT NULL,
    cpu_usage real NOT NULL,
    user_usage real,
    system_usage real,
    iowait_usage real,
    steal_usage real,
    load_1m real,
    is_deleted boolean DEFAULT false NOT NULL,
    cpu_name text NOT NULL,
    CONSTRAINT cpu_log_cpu_usage_is_percent CHECK (((cpu_usage >= (0)::double precision) AND (cpu_usage <= (100)::double precision))),
    CONSTRAINT cpu_log_iowait_usage_is_percent CHECK (((iowait_usage >= (0)::double precision) AND (iowait_usage <= (100)::double precision))),
    CONSTRAINT cpu_log_load_1m_is_finite CHECK (((load_1m >= (0)::double precision) AND (load_1m < 'Infinity'::real))),
    CONSTRAINT cpu_log_steal_usage_is_percent CHECK (((steal_usage >= (0)::double precision) AND (steal_usage <= (100)::double precision))),
    CONSTRAINT cpu_log_system_usage_is_percent CHECK (((system_usage >= (0)::double precision) AND (system_usage <= (100)::double precision))),
    CONSTRAINT cpu_log_user_usage_is_percent CHECK (((user_usage >= (0)::double precision) AND (user_usage <= (100)::double precision)))
)
PARTITION BY RANGE (created_at);

CREATE TABLE pgvigil.cpu_packed (
    hour_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    is_deleted boolean NOT NULL,
    resource text NOT NULL,
    created_at integer[] NOT NULL,
    updated_at integer[] NOT NULL,
    cpu_usage real[],
    user_usage real[],
    system_usage real[],
    iowait_usage real[],
    steal_usage real[],
    load_1m real[]
)
PARTITION BY RANGE (hour_at);

CREATE TABLE pgvigil.cpu_rollup_1d (
    bucket_at timestamp with time zone CONSTRAINT cpu_rollup_1h_bucket_at_not_null NOT NULL,
    host_id integer CONSTRAINT cpu_rollup_1h_host_id_not_null NOT NULL,
    samples integer CONSTRAINT cpu_rollup_1h_samples_not_null NOT NULL,
    cpu_usage real,
    cpu_usage_max real,
    user_usage real,
    user_usage_max real,
    system_usage real,
    system_usage_max real,
    iowait_usage real,
    iowait_usage_max real,
    steal_usage real,
    steal_usage_max real,
    load_1m real,
    load_1m_max real,
    resource text CONSTRAINT cpu_rollup_1h_resource_not_null NOT NULL,
    CONSTRAINT cpu_rollup_1d_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.cpu_rollup_1h (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    cpu_usage real,
    cpu_usage_max real,
    user_usage real,
    user_usage_max real,
    system_usage real,
    system_usage_max real,
    iowait_usage real,
    iowait_usage_max real,
    steal_usage real,
    steal_usage_max real,
    load_1m real,
    load_1m_max real,
    resource text NOT NULL,
    CONSTRAINT cpu_rollup_1h_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.cpu_rollup_5m (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    cpu_usage real,
    cpu_usage_max real,
    user_usage real,
    user_usage_max real,
    system_usage real,
    system_usage_max real,
    iowait_usage real,
    iowait_usage_max real,
    steal_usage real,
    steal_usage_max real,
    load_1m real,
    load_1m_max real,
    resource text NOT NULL,
    CONSTRAINT cpu_rollup_5m_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.disk_info (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    host_id integer NOT NULL,
    disk_name text NOT NULL,
    device text NOT NULL,
    file_system text,
    mounted text,
    size bigint NOT NULL,
    is_deleted boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE pgvigil.disk_log (
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    used_bytes bigint,
    available_bytes bigint,
    host_id integer NOT NULL,
    disk_usage real,
    inode_usage real,
    io_usage real,
    read_bytes_per_second real,
    write_bytes_per_second real,
    is_deleted boolean DEFAULT false NOT NULL,
    disk_name text NOT NULL,
    CONSTRAINT disk_log_available_bytes_is_natural CHECK ((available_bytes >= 0)),
    CONSTRAINT disk_log_disk_usage_is_percent CHECK (((disk_usage >= (0)::double precision) AND (disk_usage <= (100)::double precision))),
    CONSTRAINT disk_log_inode_usage_is_percent CHECK (((inode_usage >= (0)::double precision) AND (inode_usage <= (100)::double precision))),
    CONSTRAINT disk_log_io_usage_is_percent CHECK (((io_usage >= (0)::double precision) AND (io_usage <= (100)::double precision))),
    CONSTRAINT disk_log_read_bytes_per_second_is_finite CHECK (((read_bytes_per_second >= (0)::double precision) AND (read_bytes_per_second < 'Infinity'::real))),
    CONSTRAINT disk_log_used_bytes_is_natural CHECK ((used_bytes >= 0)),
    CONSTRAINT disk_log_write_bytes_per_second_is_finite CHECK (((write_bytes_per_second >= (0)::double precision) AND (write_bytes_per_second < 'Infinity'::real)))
)
PARTITION BY RANGE (created_at);

CREATE TABLE pgvigil.disk_packed (
    hour_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    is_deleted boolean NOT NULL,
    resource text NOT NULL,
    created_at integer[] NOT NULL,
    updated_at integer[] NOT NULL,
    used_bytes bigint[],
    available_bytes bigint[],
    disk_usage real[],
    inode_usage real[],
    io_usage real[],
    read_bytes_per_second real[],
    write_bytes_per_second real[]
)
PARTITION BY RANGE (hour_at);

CREATE TABLE pgvigil.disk_rollup_1d (
    bucket_at timestamp with time zone CONSTRAINT disk_rollup_1h_bucket_at_not_null NOT NULL,
    host_id integer CONSTRAINT disk_rollup_1h_host_id_not_null NOT NULL,
    samples integer CONSTRAINT disk_rollup_1h_samples_not_null NOT NULL,
    used_bytes double precision,
    used_bytes_max bigint,
    available_bytes double precision,
    available_bytes_max bigint,
    disk_usage real,
    disk_usage_max real,
    inode_usage real,
    inode_usage_max real,
    io_usage real,
    io_usage_max real,
    read_bytes_per_second real,
    read_bytes_per_second_max real,
    write_bytes_per_second real,
    write_bytes_per_second_max real,
    resource text CONSTRAINT disk_rollup_1h_resource_not_null NOT NULL,
    CONSTRAINT disk_rollup_1d_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.disk_rollup_1h (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    used_bytes double precision,
    used_bytes_max bigint,
    available_bytes double precision,
    available_bytes_max bigint,
    disk_usage real,
    disk_usage_max real,
    inode_usage real,
    inode_usage_max real,
    io_usage real,
    io_usage_max real,
    read_bytes_per_second real,
    read_bytes_per_second_max real,
    write_bytes_per_second real,
    write_bytes_per_second_max real,
    resource text NOT NULL,
    CONSTRAINT disk_rollup_1h_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.disk_rollup_5m (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    used_bytes double precision,
    used_bytes_max bigint,
    available_bytes double precision,
    available_bytes_max bigint,
    disk_usage real,
    disk_usage_max real,
    inode_usage real,
    inode_usage_max real,
    io_usage real,
    io_usage_max real,
    read_bytes_per_second real,
    read_bytes_per_second_max real,
    write_bytes_per_second real,
    write_bytes_per_second_max real,
    resource text NOT NULL,
    CONSTRAINT disk_rollup_5m_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.fleet_rollup (
    width text NOT NULL,
    bucket_at timestamp with time zone NOT NULL,
    metric text NOT NULL,
    value double precision NOT NULL,
    value_max double precision NOT NULL,
    CONSTRAINT fleet_rollup_width_is_known CHECK ((width = ANY (ARRAY['5m'::text, '1h'::text])))
);

CREATE TABLE pgvigil.gate (
    host_id integer NOT NULL,
    log_table text NOT NULL,
    above double precision[] NOT NULL,
    below double precision[] NOT NULL,
    has_open_alert boolean DEFAULT false NOT NULL
);

CREATE TABLE pgvigil.host (
    host_id integer NOT NULL,
    host_name text NOT NULL,
    groups text[] DEFAULT '{}'::text[] NOT NULL,
    labels jsonb DEFAULT '{}'::jsonb NOT NULL,
    sample_interval interval DEFAULT '00:00:10'::interval NOT NULL,
    expected boolean DEFAULT true NOT NULL,
    login_role text,
    agent_version text,
    last_seen_at timestamp with time zone,
    is_deleted boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    shares_login boolean DEFAULT false NOT NULL,
    CONSTRAINT host_agent_version_is_short CHECK ((length(agent_version) <= 100)),
    CONSTRAINT host_groups_are_64_kib_at_most CHECK ((octet_length(array_to_string(groups, ','::text)) <= 65536)),
    CONSTRAINT host_labels_are_64_kib_at_most CHECK ((octet_length((labels)::text) <= 65536)),
    CONSTRAINT host_labels_are_an_object CHECK ((jsonb_typeof(labels) = 'object'::text)),
    CONSTRAINT host_name_is_printable CHECK ((host_name ~ '^[^[:cntrl:][:space:]]{1,253}$'::text)),
    CONSTRAINT host_sample_interval_is_a_day_at_most CHECK ((sample_interval <= '1 day'::interval)),
    CONSTRAINT host_sample_interval_is_positive CHECK ((sample_interval > '00:00:00'::interval))
);

CREATE TABLE pgvigil.host_lock (
    host_id integer NOT NULL
);

CREATE TABLE pgvigil.late_hour (
    host_id integer NOT NULL,
    hour_at timestamp with time zone NOT NULL,
    transaction_id xid8 NOT NULL,
    marked_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL
);

CREATE TABLE pgvigil.log_table (
    log_table text NOT NULL,
    resource_column text NOT NULL,
    info_table text NOT NULL,
    retention interval DEFAULT '14 days'::interval NOT NULL,
    five_minute_retention interval DEFAULT '90 days'::interval NOT NULL,
    hourly_retention interval DEFAULT '2 years'::interval NOT NULL,
    pack_after interval DEFAULT '1 day'::interval,
    daily_retention interval DEFAULT '10 years'::interval NOT NULL,
    CONSTRAINT log_table_daily_retention_outlasts_hourly CHECK ((daily_retention >= hourly_retention)),
    CONSTRAINT log_table_five_minute_retention_is_a_week_at_least CHECK ((five_minute_retention >= '7 days'::interval)),
    CONSTRAINT log_table_hourly_retention_is_a_month_at_least CHECK ((hourly_retention >= '28 days'::interval)),
    CONSTRAINT log_table_pack_after_is_a_day_at_least CHECK ((pack_after >= '1 day'::interval)),
    CONSTRAINT log_table_retention_is_two_days_at_least CHECK ((retention >= '2 days'::interval))
);

CREATE TABLE pgvigil.mail (
    mail_id bigint NOT NULL,
    host_id integer NOT NULL,
    alert_id bigint,
    event text NOT NULL,
    severity text NOT NULL,
    value double precision NOT NULL,
    peak_value double precision NOT NULL,
    sampled_at timestamp with time zone NOT NULL,
    address text NOT NULL,
    language text NOT NULL,
    time_zone text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    claimed_by text,
    claimed_until timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    last_error text,
    message_id text,
    sent_at timestamp with time zone,
    failed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    covered_by bigint,
    is_digest boolean DEFAULT false NOT NULL,
    is_uncertain boolean DEFAULT false NOT NULL,
    server_reply text,
    CONSTRAINT mail_event_is_known CHECK ((event = ANY (ARRAY['fired'::text, 'escalated'::text, 'eased'::text, 'resolved'::text, 'cancelled'::text, 'reminder'::text, 'flapping'::text, 'weekly'::text]))),
    CONSTRAINT mail_has_alert_unless_weekly CHECK (((alert_id IS NULL) = (event = 'weekly'::text))),
    CONSTRAINT mail_sent_or_failed CHECK (((sent_at IS NULL) OR (failed_at IS NULL)))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='200');

CREATE TABLE pgvigil.mailbox (
    address text NOT NULL,
    next_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    crowd double precision DEFAULT 0 NOT NULL,
    claimed_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    last_host_id integer,
    last_alert_id bigint,
    sent_at timestamp with time zone,
    reported_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    weekly_at timestamp with time zone,
    is_critical_told boolean DEFAULT false NOT NULL
);

CREATE TABLE pgvigil.memory_info (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    host_id integer NOT NULL,
    memory_name text NOT NULL,
    physical_memory bigint NOT NULL,
    is_deleted boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE pgvigil.memory_log (
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    used_bytes bigint NOT NULL,
    available_bytes bigint NOT NULL,
    host_id integer NOT NULL,
    memory_usage real NOT NULL,
    is_deleted boolean DEFAULT false NOT NULL,
    memory_name text NOT NULL,
    CONSTRAINT memory_log_available_bytes_is_natural CHECK ((available_bytes >= 0)),
    CONSTRAINT memory_log_memory_usage_is_percent CHECK (((memory_usage >= (0)::double precision) AND (memory_usage <= (100)::double precision))),
    CONSTRAINT memory_log_used_bytes_is_natural CHECK ((used_bytes >= 0))
)
PARTITION BY RANGE (created_at);

CREATE TABLE pgvigil.memory_packed (
    hour_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    is_deleted boolean NOT NULL,
    resource text NOT NULL,
    created_at integer[] NOT NULL,
    updated_at integer[] NOT NULL,
    used_bytes bigint[],
    available_bytes bigint[],
    memory_usage real[]
)
PARTITION BY RANGE (hour_at);

CREATE TABLE pgvigil.memory_rollup_1d (
    bucket_at timestamp with time zone CONSTRAINT memory_rollup_1h_bucket_at_not_null NOT NULL,
    host_id integer CONSTRAINT memory_rollup_1h_host_id_not_null NOT NULL,
    samples integer CONSTRAINT memory_rollup_1h_samples_not_null NOT NULL,
    used_bytes double precision,
    used_bytes_max bigint,
    available_bytes double precision,
    available_bytes_max bigint,
    memory_usage real,
    memory_usage_max real,
    resource text CONSTRAINT memory_rollup_1h_resource_not_null NOT NULL,
    CONSTRAINT memory_rollup_1d_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.memory_rollup_1h (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    used_bytes double precision,
    used_bytes_max bigint,
    available_bytes double precision,
    available_bytes_max bigint,
    memory_usage real,
    memory_usage_max real,
    resource text NOT NULL,
    CONSTRAINT memory_rollup_1h_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.memory_rollup_5m (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    used_bytes double precision,
    used_bytes_max bigint,
    available_bytes double precision,
    available_bytes_max bigint,
    memory_usage real,
    memory_usage_max real,
    resource text NOT NULL,
    CONSTRAINT memory_rollup_5m_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.metric (
    metric text NOT NULL,
    log_table text,
    column_name text,
    "position" smallint,
    title text NOT NULL,
    unit text NOT NULL,
    direction text DEFAULT 'above'::text NOT NULL,
    description text NOT NULL,
    is_enabled boolean DEFAULT true NOT NULL,
    CONSTRAINT metric_direction_is_known CHECK ((direction = ANY (ARRAY['above'::text, 'below'::text]))),
    CONSTRAINT metric_is_stored_or_derived CHECK ((num_nulls(log_table, column_name, "position") = ANY (ARRAY[0, 3]))),
    CONSTRAINT metric_position_is_positive CHECK (("position" > 0)),
    CONSTRAINT metric_unit_is_known CHECK ((unit = ANY (ARRAY['percent'::text, 'bytes'::text, 'bytes_per_second'::text, 'per_second'::text, 'seconds'::text, 'load'::text, 'count'::text])))
);

CREATE TABLE pgvigil.network_info (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    host_id integer NOT NULL,
    network_interface text NOT NULL,
    link_bits_per_second bigint,
    mac_address text,
    is_deleted boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE pgvigil.network_log (
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    host_id integer NOT NULL,
    received_bytes_per_second real NOT NULL,
    sent_bytes_per_second real NOT NULL,
    errors_per_second real NOT NULL,
    drops_per_second real NOT NULL,
    link_usage real,
    is_deleted boolean DEFAULT false NOT NULL,
    network_interface text NOT NULL,
    CONSTRAINT network_log_drops_per_second_is_finite CHECK (((drops_per_second >= (0)::double precision) AND (drops_per_second < 'Infinity'::real))),
    CONSTRAINT network_log_errors_per_second_is_finite CHECK (((errors_per_second >= (0)::double precision) AND (errors_per_second < 'Infinity'::real))),
    CONSTRAINT network_log_link_usage_is_percent CHECK (((link_usage >= (0)::double precision) AND (link_usage <= (100)::double precision))),
    CONSTRAINT network_log_received_bytes_per_second_is_finite CHECK (((received_bytes_per_second >= (0)::double precision) AND (received_bytes_per_second < 'Infinity'::real))),
    CONSTRAINT network_log_sent_bytes_per_second_is_finite CHECK (((sent_bytes_per_second >= (0)::double precision) AND (sent_bytes_per_second < 'Infinity'::real)))
)
PARTITION BY RANGE (created_at);

CREATE TABLE pgvigil.network_packed (
    hour_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    is_deleted boolean NOT NULL,
    resource text NOT NULL,
    created_at integer[] NOT NULL,
    updated_at integer[] NOT NULL,
    received_bytes_per_second real[],
    sent_bytes_per_second real[],
    errors_per_second real[],
    drops_per_second real[],
    link_usage real[]
)
PARTITION BY RANGE (hour_at);

CREATE TABLE pgvigil.network_rollup_1d (
    bucket_at timestamp with time zone CONSTRAINT network_rollup_1h_bucket_at_not_null NOT NULL,
    host_id integer CONSTRAINT network_rollup_1h_host_id_not_null NOT NULL,
    samples integer CONSTRAINT network_rollup_1h_samples_not_null NOT NULL,
    received_bytes_per_second real,
    received_bytes_per_second_max real,
    sent_bytes_per_second real,
    sent_bytes_per_second_max real,
    errors_per_second real,
    errors_per_second_max real,
    drops_per_second real,
    drops_per_second_max real,
    link_usage real,
    link_usage_max real,
    resource text CONSTRAINT network_rollup_1h_resource_not_null NOT NULL,
    CONSTRAINT network_rollup_1d_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.network_rollup_1h (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    received_bytes_per_second real,
    received_bytes_per_second_max real,
    sent_bytes_per_second real,
    sent_bytes_per_second_max real,
    errors_per_second real,
    errors_per_second_max real,
    drops_per_second real,
    drops_per_second_max real,
    link_usage real,
    link_usage_max real,
    resource text NOT NULL,
    CONSTRAINT network_rollup_1h_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.network_rollup_5m (
    bucket_at timestamp with time zone NOT NULL,
    host_id integer NOT NULL,
    samples integer NOT NULL,
    received_bytes_per_second real,
    received_bytes_per_second_max real,
    sent_bytes_per_second real,
    sent_bytes_per_second_max real,
    errors_per_second real,
    errors_per_second_max real,
    drops_per_second real,
    drops_per_second_max real,
    link_usage real,
    link_usage_max real,
    resource text NOT NULL,
    CONSTRAINT network_rollup_5m_has_samples CHECK ((samples > 0))
)
PARTITION BY RANGE (bucket_at);

CREATE TABLE pgvigil.packed_day (
    log_table text NOT NULL,
    day date NOT NULL,
    host_id integer DEFAULT 0 NOT NULL,
    is_done boolean DEFAULT false NOT NULL
);

CREATE TABLE pgvigil.recipient (
    recipient_id bigint NOT NULL,
    address text NOT NULL,
    host_group text,
    metric text,
    min_severity text DEFAULT 'warning'::text NOT NULL,
    language text DEFAULT 'en'::text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    is_enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    weekdays smallint[],
    from_time time without time zone,
    to_time time without time zone,
    weekly boolean DEFAULT true NOT NULL,
    CONSTRAINT recipient_language_is_known CHECK ((language = ANY (ARRAY['en'::text, 'ko'::text]))),
    CONSTRAINT recipient_min_severity_is_known CHECK ((min_severity = ANY (ARRAY['warning'::text, 'critical'::text]))),
    CONSTRAINT recipient_times_come_in_pairs CHECK (((from_time IS NULL) = (to_time IS NULL)))
);

CREATE TABLE pgvigil.rollup_horizon (
    is_only boolean DEFAULT true NOT NULL,
    at timestamp with time zone NOT NULL,
    next_at timestamp with time zone NOT NULL,
    next_xid xid8 NOT NULL,
    fleet_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT rollup_horizon_is_one_row CHECK (is_only)
);

CREATE TABLE pgvigil.rollup_progress (
    host_id integer NOT NULL,
    rolled_until timestamp with time zone NOT NULL,
    daily_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
);

CREATE TABLE pgvigil.rule_error (
    rule_error_id bigint NOT NULL,
    host_id integer,
    log_table text,
    metric text,
    resource text,
    threshold_id bigint,
    message text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    handled_at timestamp with time zone
);

CREATE TABLE pgvigil.schema_migration (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_by text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE pgvigil.setting (
    setting text NOT NULL,
    value text NOT NULL,
    kind text NOT NULL,
    description text NOT NULL,
    CONSTRAINT setting_kind_is_known CHECK ((kind = ANY (ARRAY['integer'::text, 'interval'::text, 'text'::text, 'boolean'::text])))
);

CREATE TABLE pgvigil.silence (
    silence_id bigint NOT NULL,
    host_name text,
    host_group text,
    metric text,
    resource text,
    starts_at timestamp with time zone DEFAULT now() NOT NULL,
    ends_at timestamp with time zone,
    weekdays smallint[],
    from_time time without time zone,
    to_time time without time zone,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_by text DEFAULT SESSION_USER NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT silence_scope_is_host_or_group CHECK (((host_name IS NULL) OR (host_group IS NULL))),
    CONSTRAINT silence_times_come_in_pairs CHECK (((from_time IS NULL) = (to_time IS NULL))),
    CONSTRAINT silence_weekdays_need_times CHECK (((weekdays IS NULL) OR (from_time IS NOT NULL)))
);

CREATE TABLE pgvigil.threshold (
    threshold_id bigint NOT NULL,
    metric text NOT NULL,
    host_name text,
    host_group text,
    resource text,
    warning double precision,
    critical double precision,
    clear_band double precision,
    hold interval DEFAULT '00:00:00'::interval NOT NULL,
    mode text DEFAULT 'armed'::text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    managed_by text DEFAULT 'sql'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    remind_every interval DEFAULT '04:00:00'::interval,
    CONSTRAINT threshold_managed_by_is_known CHECK ((managed_by = ANY (ARRAY['default'::text, 'ansible'::text, 'sql'::text]))),
    CONSTRAINT threshold_mode_is_known CHECK ((mode = ANY (ARRAY['armed'::text, 'shadow'::text, 'off'::text]))),
    CONSTRAINT threshold_scope_is_host_or_group CHECK (((host_name IS NULL) OR (host_group IS NULL)))
);

CREATE TABLE pgvigil.threshold_history (
    history_id bigint NOT NULL,
    threshold_id bigint NOT NULL,
    operation text NOT NULL,
    old jsonb,
    new jsonb,
    changed_by text DEFAULT SESSION_USER NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT threshold_history_operation_is_known CHECK ((operation = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text])))
);

CREATE TABLE pgvigil.upkeep (
    task text NOT NULL,
    done_at timestamp with time zone NOT NULL,
    since timestamp with time zone NOT NULL,
    error text
);

CREATE TRIGGER _050_own BEFORE UPDATE ON pgvigil.threshold FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_threshold__own();

CREATE TRIGGER _100_note_shared_login BEFORE INSERT OR UPDATE OF login_role, shares_login ON pgvigil.host FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_host__note_shared_login();

CREATE TRIGGER _100_validate BEFORE INSERT OR UPDATE ON pgvigil.recipient FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_recipient__validate();

CREATE TRIGGER _100_validate BEFORE INSERT OR UPDATE ON pgvigil.setting FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_setting__validate();

CREATE TRIGGER _100_validate BEFORE INSERT OR UPDATE ON pgvigil.silence FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_silence__validate();

CREATE TRIGGER _100_validate BEFORE INSERT OR UPDATE ON pgvigil.threshold FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_threshold__validate();

CREATE TRIGGER _500_judge AFTER INSERT ON pgvigil.cpu_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_cpu_log__judge();

CREATE TRIGGER _500_judge AFTER INSERT ON pgvigil.disk_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_disk_log__judge();

CREATE TRIGGER _500_judge AFTER INSERT ON pgvigil.memory_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_memory_log__judge();

CREATE TRIGGER _500_judge AFTER INSERT ON pgvigil.network_log REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_network_log__judge();

CREATE TRIGGER _500_rebuild_history AFTER INSERT OR DELETE OR UPDATE ON pgvigil.metric FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_metric__rebuild_history();

CREATE TRIGGER _500_rebuild_judging AFTER INSERT OR DELETE OR UPDATE ON pgvigil.metric FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_metric__rebuild_judging();

CREATE TRIGGER _500_rebuild_judging AFTER UPDATE ON pgvigil.setting FOR EACH ROW WHEN (((new.setting = 'copy_transition_table'::text) AND (new.value IS DISTINCT FROM old.value))) EXECUTE FUNCTION pgvigil.tg_setting__rebuild_judging();

CREATE TRIGGER _500_refresh_gate AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON pgvigil.threshold FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_threshold__refresh_gate();

CREATE TRIGGER _500_refresh_gate AFTER INSERT OR UPDATE OF host_name, groups, is_deleted ON pgvigil.host FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_host__refresh_gate();

CREATE TRIGGER _700_mark_late AFTER INSERT ON pgvigil.cpu_log FOR EACH ROW WHEN ((new.created_at < (GREATEST(new.updated_at, clock_timestamp()) - '00:02:00'::interval))) EXECUTE FUNCTION pgvigil.tg_log__mark_late();

CREATE TRIGGER _700_mark_late AFTER INSERT ON pgvigil.disk_log FOR EACH ROW WHEN ((new.created_at < (GREATEST(new.updated_at, clock_timestamp()) - '00:02:00'::interval))) EXECUTE FUNCTION pgvigil.tg_log__mark_late();

CREATE TRIGGER _700_mark_late AFTER INSERT ON pgvigil.memory_log FOR EACH ROW WHEN ((new.created_at < (GREATEST(new.updated_at, clock_timestamp()) - '00:02:00'::interval))) EXECUTE FUNCTION pgvigil.tg_log__mark_late();

CREATE TRIGGER _700_mark_late AFTER INSERT ON pgvigil.network_log FOR EACH ROW WHEN ((new.created_at < (GREATEST(new.updated_at, clock_timestamp()) - '00:02:00'::interval))) EXECUTE FUNCTION pgvigil.tg_log__mark_late();

CREATE TRIGGER _900_history AFTER INSERT OR DELETE OR UPDATE ON pgvigil.threshold FOR EACH ROW EXECUTE FUNCTION pgvigil.tg_threshold__history();

CREATE TRIGGER _900_ring AFTER INSERT ON pgvigil.mail REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION pgvigil.tg_mail__ring();

CREATE TYPE pgvigil.alert_limit AS (
	direction text,
	warning double precision,
	critical double precision,
	clear_band double precision,
	hold interval,
	max_gap interval
);

CREATE TYPE pgvigil.alert_state AS (
	state text,
	severity text,
	pending_at timestamp with time zone,
	judged_at timestamp with time zone,
	event text
);

CREATE TYPE pgvigil.mail_text AS (
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
	sampled_at timestamp with time zone,
	value double precision,
	peak_value double precision,
	fired_at timestamp with time zone,
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
	companions text[],
	is_digest boolean,
	items jsonb
);

CREATE TYPE pgvigil.reading AS (
	host_id integer,
	metric text,
	resource text,
	at timestamp with time zone,
	stored_at timestamp with time zone,
	value double precision,
	detail text
);

CREATE UNIQUE INDEX alert_open_is_unique ON pgvigil.alert USING btree (host_id, metric, resource) WHERE (resolved_at IS NULL);

CREATE UNIQUE INDEX host_login_is_of_one_host ON pgvigil.host USING btree (login_role) WHERE ((NOT shares_login) AND (NOT is_deleted));

CREATE UNIQUE INDEX rule_error_open_is_unique ON pgvigil.rule_error USING btree (log_table, metric, threshold_id, message) NULLS NOT DISTINCT WHERE (handled_at IS NULL);

CREATE VIEW dashboard.agent_problem AS
 SELECT h.host_name,
    p.problem,
    p.subject,
    p.detail,
    p.occurrences,
    p.started_at,
    p.last_at
   FROM (pgvigil.agent_problem p
     JOIN pgvigil.host h ON (((h.host_id = p.host_id) AND (NOT h.is_deleted))));

CREATE VIEW dashboard.disk_now AS
 SELECT h.host_name,
    d.disk_name,
    d.device,
    d.file_system,
    d.size,
    (l.disk_usage)::double precision AS disk_usage,
    (l.inode_usage)::double precision AS inode_usage,
    l.available_bytes,
    g.bytes_per_day,
        CASE
            WHEN (g.bytes_per_day > (0)::double precision) THEN (((86400 * l.available_bytes))::double precision / g.bytes_per_day)
            ELSE NULL::double precision
        END AS full_in_seconds
   FROM ((((pgvigil.host h
     CROSS JOIN LATERAL ( SELECT c.created_at
           FROM pgvigil.cpu_log c
          WHERE ((c.host_id = h.host_id) AND (c.cpu_name = 'cpu-total'::text) AND (NOT c.is_deleted))
          ORDER BY c.created_at DESC
         LIMIT 1) n)
     JOIN pgvigil.disk_log l ON (((l.host_id = h.host_id) AND (l.created_at = n.created_at) AND (NOT l.is_deleted))))
     JOIN pgvigil.disk_info d ON (((d.host_id = h.host_id) AND (d.disk_name = l.disk_name) AND (d.mounted IS NOT NULL) AND (NOT d.is_deleted))))
     LEFT JOIN LATERAL ( SELECT ((((l.used_bytes - o.used_bytes))::double precision * (86400.0)::double precision) / NULLIF((EXTRACT(epoch FROM (l.created_at - o.created_at)))::double precision, (0)::double precision)) AS bytes_per_day
           FROM pgvigil.disk_log o
          WHERE ((o.host_id = l.host_id) AND (o.created_at >= (l.created_at - '06:00:00'::interval)) AND (o.created_at < l.created_at) AND (o.disk_name = l.disk_name))
          ORDER BY o.created_at
         LIMIT 1) g ON (true))
  WHERE (NOT h.is_deleted);

CREATE VIEW dashboard.fleet_now AS
 SELECT count(*) AS hosts,
    count(*) FILTER (WHERE (state = 'silent'::text)) AS silent,
    count(*) FILTER (WHERE (state = 'critical'::text)) AS critical,
    count(*) FILTER (WHERE (state = 'warning'::text)) AS warning,
    (COALESCE(sum(open_alerts), (0)::numeric))::bigint AS open_alerts
   FROM dashboard.host_state h;

CREATE VIEW dashboard.host_now AS
 SELECT h.host_id,
    h.host_name,
    c.created_at AS sampled_at,
    c.updated_at AS stored_at,
    c.cpu_usage,
    m.memory_usage,
    d.disk_name,
    d.disk_usage,
    n.received_bytes_per_second,
    n.sent_bytes_per_second,
    h.sample_interval,
    a.open_alerts,
    a.severity,
    h.expected
   FROM (((((pgvigil.host h
     LEFT JOIN LATERAL ( SELECT l.created_at,
            l.updated_at,
            l.cpu_usage
           FROM pgvigil.cpu_log l
          WHERE ((l.host_id = h.host_id) AND (l.cpu_name = 'cpu-total'::text) AND (NOT l.is_deleted))
          ORDER BY l.created_at DESC
         LIMIT 1) c ON (true))
     LEFT JOIN pgvigil.memory_log m ON (((m.host_id = h.host_id) AND (m.created_at = c.created_at) AND (m.memory_name = 'memory'::text) AND (NOT m.is_deleted))))
     LEFT JOIN LATERAL ( SELECT l.disk_name,
            l.disk_usage
           FROM pgvigil.disk_log l
          WHERE ((l.host_id = h.host_id) AND (l.created_at = c.created_at) AND (NOT l.is_deleted))
          ORDER BY l.disk_usage DESC NULLS LAST
         LIMIT 1) d ON (true))
     LEFT JOIN LATERAL ( SELECT sum(l.received_bytes_per_second) AS received_bytes_per_second,
            sum(l.sent_bytes_per_second) AS sent_bytes_per_second
           FROM pgvigil.network_log l
          WHERE ((l.host_id = h.host_id) AND (l.created_at = c.created_at) AND (NOT l.is_deleted))) n ON (true))
     LEFT JOIN LATERAL ( SELECT count(*) AS open_alerts,
            min(x.severity) AS severity
           FROM pgvigil.alert x
          WHERE ((x.host_id = h.host_id) AND (x.state = 'firing'::text) AND (x.resolved_at IS NULL) AND (NOT x.is_shadow))) a ON (true))
  WHERE (NOT h.is_deleted);

CREATE VIEW dashboard.host_state AS
 WITH host AS (
         SELECT n.host_id,
            n.host_name,
            n.sampled_at,
            n.stored_at,
            n.cpu_usage,
            n.memory_usage,
            n.disk_name,
            n.disk_usage,
            n.received_bytes_per_second,
            n.sent_bytes_per_second,
            n.sample_interval,
            n.open_alerts,
            n.severity,
            n.expected,
            h_1.groups,
            h_1.agent_version,
                CASE
                    WHEN (a.alert_id IS NOT NULL) THEN 'silent'::text
                    WHEN (n.stored_at > (statement_timestamp() - GREATEST(((6)::double precision * n.sample_interval), '00:01:00'::interval))) THEN COALESCE(n.severity, 'ok'::text)
                    WHEN n.expected THEN 'silent'::text
                    ELSE 'off'::text
                END AS state
           FROM ((dashboard.host_now n
             JOIN pgvigil.host h_1 ON ((h_1.host_id = n.host_id)))
             LEFT JOIN pgvigil.alert a ON (((a.host_id = n.host_id) AND (a.metric = 'host_silence'::text) AND (a.resolved_at IS NULL) AND (a.state = 'firing'::text))))
        )
 SELECT host_name,
    array_to_string(groups, ', '::text) AS groups,
    state,
    (array_position(ARRAY['off'::text, 'ok'::text, 'warning'::text, 'critical'::text, 'silent'::text], state) - 2) AS state_code,
    open_alerts,
    (cpu_usage)::double precision AS cpu_usage,
    (memory_usage)::double precision AS memory_usage,
    disk_name,
    (disk_usage)::double precision AS disk_usage,
    (received_bytes_per_second)::double precision AS received_bytes_per_second,
    (sent_bytes_per_second)::double precision AS sent_bytes_per_second,
    sampled_at,
    (EXTRACT(epoch FROM (statement_timestamp() - stored_at)))::double precision AS age_seconds,
    (EXTRACT(epoch FROM (stored_at - sampled_at)))::double precision AS delay_seconds,
    (EXTRACT(epoch FROM sample_interval))::double precision AS sample_interval_seconds,
    agent_version,
    expected
   FROM host h;

CREATE VIEW dashboard.incident AS
 SELECT h.host_name,
    a.metric,
    m.title,
    a.resource,
        CASE
            WHEN ((a.unknown_since IS NOT NULL) AND (a.resolved_at IS NULL)) THEN 'unknown'::text
            ELSE a.state
        END AS state,
    a.worst_severity AS severity,
    a.peak_value,
    a.warning,
    a.critical,
    m.unit,
    a.pending_at,
    a.fired_at,
    a.resolved_at,
    (EXTRACT(epoch FROM (COALESCE(a.resolved_at, statement_timestamp()) - a.fired_at)))::double precision AS duration_seconds,
    a.reopened,
    a.acknowledged_by,
    a.is_shadow,
    ( SELECT count(*) AS count
           FROM pgvigil.mail x
          WHERE ((x.host_id = a.host_id) AND (x.alert_id = a.alert_id) AND (x.sent_at IS NOT NULL))) AS mails,
    a.detail,
    a.threshold_id,
    a.alert_id
   FROM ((pgvigil.alert a
     JOIN pgvigil.host h ON ((h.host_id = a.host_id)))
     JOIN pgvigil.metric m ON ((m.metric = a.metric)))
  WHERE (a.fired_at IS NOT NULL);

CREATE VIEW dashboard.inventory AS
 SELECT h.host_name,
    x.kind,
    x.name,
    x.description,
    x.size,
    x.is_deleted,
    x.created_at AS known_since
   FROM (( SELECT c.host_id,
            'CPU'::text AS kind,
            c.cpu_name AS name,
            (c.cpu_core)::double precision AS size,
            1 AS "position",
            c.is_deleted,
            c.created_at,
            concat_ws(', '::text, c.model_name, (c.cpu_core || ' cores'::text), (c.physical_cores || ' physical'::text), (round((c.max_mhz)::double precision) || ' MHz'::text)) AS description
           FROM pgvigil.cpu_info c
        UNION ALL
         SELECT m.host_id,
            'memory'::text,
            m.memory_name,
            m.physical_memory,
            2,
            m.is_deleted,
            m.created_at,
            pg_size_pretty(m.physical_memory) AS pg_size_pretty
           FROM pgvigil.memory_info m
        UNION ALL
         SELECT d.host_id,
            'disk'::text,
            d.disk_name,
            d.size,
            3,
            d.is_deleted,
            d.created_at,
            concat_ws(', '::text, pg_size_pretty(d.size), d.file_system, d.device) AS concat_ws
           FROM pgvigil.disk_info d
        UNION ALL
         SELECT n.host_id,
            'network'::text,
            n.network_interface,
            n.link_bits_per_second,
            4,
            n.is_deleted,
            n.created_at,
            concat_ws(', '::text, ((n.link_bits_per_second / 1000000) || ' Mbit/s'::text), n.mac_address) AS concat_ws
           FROM pgvigil.network_info n) x
     JOIN pgvigil.host h ON ((h.host_id = x.host_id)))
  ORDER BY h.host_name, x."position", x.name;

CREATE VIEW dashboard.open_alert AS
 SELECT h.host_name,
    a.metric,
    m.title,
    a.resource,
    a.state,
    a.severity,
    a.value,
    a.peak_value,
    a.warning,
    a.critical,
    m.unit,
    a.pending_at,
    a.fired_at,
    a.is_shadow,
    a.unknown_since,
    a.acknowledged_at,
    a.acknowledged_by,
    a.reopened,
    a.detail,
    dashboard.silenced_by(a.host_id, a.metric, a.resource, statement_timestamp()) AS silence_id,
    ( SELECT t.note
           FROM pgvigil.threshold t
          WHERE (t.threshold_id = a.threshold_id)) AS note,
    a.host_id,
    a.alert_id
   FROM ((pgvigil.alert a
     JOIN pgvigil.host h ON ((h.host_id = a.host_id)))
     JOIN pgvigil.metric m ON ((m.metric = a.metric)))
  WHERE (a.resolved_at IS NULL);

CREATE VIEW dashboard.outbox AS
 SELECT count(*) FILTER (WHERE ((sent_at IS NULL) AND (failed_at IS NULL))) AS waiting,
    count(*) FILTER (WHERE ((sent_at IS NULL) AND (failed_at IS NULL) AND (attempts > 0))) AS retrying,
    (COALESCE(EXTRACT(epoch FROM (statement_timestamp() - min(created_at) FILTER (WHERE ((sent_at IS NULL) AND (failed_at IS NULL))))), (0)::numeric))::double precision AS oldest_seconds,
    count(*) FILTER (WHERE (failed_at > (statement_timestamp() - '1 day'::interval))) AS failed_in_a_day,
    count(*) FILTER (WHERE (sent_at > (statement_timestamp() - '1 day'::interval))) AS sent_in_a_day
   FROM pgvigil.mail m
  WHERE (((sent_at IS NULL) AND (failed_at IS NULL)) OR (created_at > (statement_timestamp() - '2 days'::interval)));

CREATE VIEW dashboard.recent_mail AS
 SELECT m.created_at,
    m.event,
        CASE
            WHEN (a.alert_id IS NOT NULL) THEN m.severity
            ELSE NULL::text
        END AS severity,
        CASE
            WHEN (a.alert_id IS NOT NULL) THEN h.host_name
            ELSE NULL::text
        END AS host_name,
    COALESCE(x.title, 'Weekly report'::text) AS title,
    a.resource,
        CASE
            WHEN (a.alert_id IS NOT NULL) THEN m.value
            ELSE NULL::double precision
        END AS value,
    x.unit,
    m.address,
    m.attempts,
    m.sent_at,
    m.failed_at,
    m.due_at,
    m.last_error,
    m.host_id,
    m.alert_id,
    m.mail_id
   FROM (((pgvigil.mail m
     JOIN pgvigil.host h ON ((h.host_id = m.host_id)))
     LEFT JOIN pgvigil.alert a ON (((a.host_id = m.host_id) AND (a.alert_id = m.alert_id))))
     LEFT JOIN pgvigil.metric x ON ((x.metric = a.metric)));

CREATE VIEW dashboard.rule_change AS
 SELECT changed_at AS "time",
    changed_by,
    operation,
    (COALESCE(new, old) ->> 'metric'::text) AS metric,
    threshold_id,
    COALESCE(( SELECT string_agg(((((n.key || ': '::text) || COALESCE((h.old ->> n.key), '-'::text)) || ' > '::text) || COALESCE(n.value, '-'::text)), ', '::text ORDER BY n.key) AS string_agg
           FROM jsonb_each_text(h.new) n(key, value)
          WHERE ((h.old IS NOT NULL) AND (n.key <> 'updated_at'::text) AND (n.value IS DISTINCT FROM (h.old ->> n.key)))), ''::text) AS change,
    history_id
   FROM pgvigil.threshold_history h;

CREATE VIEW dashboard.rule_error AS
 SELECT e.created_at AS "time",
    h.host_name,
    e.metric,
    e.resource,
    e.threshold_id,
    e.message,
    e.handled_at
   FROM (pgvigil.rule_error e
     LEFT JOIN pgvigil.host h ON ((h.host_id = e.host_id)));

CREATE VIEW dashboard.silence AS
 SELECT silence_id,
    COALESCE(host_name, ('group '::text || host_group), 'all hosts'::text) AS scope,
    metric,
    resource,
    starts_at,
    ends_at,
        CASE
            WHEN (from_time IS NOT NULL) THEN concat_ws(' '::text, ('days '::text || array_to_string(weekdays, ','::text)), ((from_time || '-'::text) || to_time), time_zone)
            ELSE 'once'::text
        END AS repeats,
    note,
    created_by
   FROM pgvigil.silence s
  WHERE (COALESCE(ends_at, 'infinity'::timestamp with time zone) > statement_timestamp());

CREATE VIEW dashboard.storage AS
 SELECT (r.relname)::text AS table_name,
    count(p.oid) AS partitions,
    min((b.bounds[1])::timestamp with time zone) AS oldest_at,
    max((b.bounds[2])::timestamp with time zone) AS newest_until,
    (EXTRACT(epoch FROM (max((b.bounds[2])::timestamp with time zone) - statement_timestamp())))::double precision AS ahead_seconds,
    (sum(pg_total_relation_size((COALESCE(p.oid, r.oid))::regclass)))::bigint AS bytes,
    (sum(GREATEST(c.reltuples, (0)::real)))::bigint AS rows,
    (sum(s.n_dead_tup))::bigint AS dead_rows,
    ((((100)::numeric * sum(s.n_dead_tup)) / NULLIF(sum((s.n_live_tup + s.n_dead_tup)), (0)::numeric)))::double precision AS dead_percent,
    max(GREATEST(s.last_autovacuum, s.last_vacuum)) AS vacuumed_at
   FROM (((((pg_class r
     LEFT JOIN pg_inherits i ON ((i.inhparent = r.oid)))
     LEFT JOIN pg_class p ON ((p.oid = i.inhrelid)))
     JOIN pg_class c ON ((c.oid = COALESCE(p.oid, r.oid))))
     LEFT JOIN pg_stat_all_tables s ON ((s.relid = c.oid)))
     LEFT JOIN LATERAL regexp_match(pg_get_expr(p.relpartbound, p.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)'::text) b(bounds) ON (true))
  WHERE ((r.relnamespace = ('pgvigil'::regnamespace)::oid) AND (r.relkind = ANY (ARRAY['r'::"char", 'p'::"char"])))
  GROUP BY r.relname;

CREATE VIEW dashboard.upkeep AS
 SELECT task,
    done_at,
    (EXTRACT(epoch FROM (statement_timestamp() - done_at)))::double precision AS age_seconds,
    since,
    error
   FROM pgvigil.upkeep u;

CREATE VIEW pgvigil.delivery AS
 SELECT m.created_at AS written_at,
    m.address,
        CASE
            WHEN (m.sent_at IS NOT NULL) THEN 'sent'::text
            WHEN (m.failed_at IS NOT NULL) THEN 'given up'::text
            WHEN (m.covered_by IS NOT NULL) THEN 'waits in a digest'::text
            WHEN (m.claimed_until > statement_timestamp()) THEN 'in hand'::text
            ELSE 'waits'::text
        END AS state,
    m.event,
    m.severity,
    h.host_name,
    a.metric,
    a.resource,
    m.value,
    m.sampled_at,
    m.sent_at,
    (EXTRACT(epoch FROM (m.sent_at - m.created_at)))::double precision AS delay_seconds,
    m.attempts,
    m.due_at,
    m.message_id,
    m.server_reply,
    m.last_error,
    m.covered_by,
    m.host_id,
    m.alert_id,
    m.mail_id
   FROM ((pgvigil.mail m
     JOIN pgvigil.host h ON ((h.host_id = m.host_id)))
     LEFT JOIN pgvigil.alert a ON (((a.host_id = m.host_id) AND (a.alert_id = m.alert_id))));

CREATE VIEW pgvigil.effective_threshold AS
 SELECT h.host_name,
    s.metric,
    s.resource,
    w.threshold_id,
    w.scope,
    w.mode,
    (w.alert_limit).warning AS warning,
    (w.alert_limit).critical AS critical,
    (w.alert_limit).clear_band AS clear_band,
    (w.alert_limit).hold AS hold,
    s.direction,
    s.unit,
    h.host_id
   FROM ((pgvigil.host h
     CROSS JOIN LATERAL ( SELECT m.metric,
            r.resource,
            m.direction,
            m.unit
           FROM (pgvigil.resource r
             JOIN pgvigil.metric m ON (((m.log_table = r.log_table) OR ((m.metric = 'disk_full_in'::text) AND (r.log_table = 'disk_log'::text)) OR ((m.metric = 'resource_vanished'::text) AND (r.log_table = ANY (ARRAY['disk_log'::text, 'network_log'::text]))))))
          WHERE ((r.host_id = h.host_id) AND (NOT r.is_deleted) AND m.is_enabled)
        UNION ALL
         SELECT m.metric,
                CASE m.metric
                    WHEN 'clock_skew'::text THEN 'clock'::text
                    ELSE 'host'::text
                END AS "case",
            m.direction,
            m.unit
           FROM pgvigil.metric m
          WHERE ((m.metric = ANY (ARRAY['clock_skew'::text, 'host_silence'::text])) AND m.is_enabled)) s)
     CROSS JOIN LATERAL pgvigil.rank_thresholds(h.host_id, s.metric, s.resource) w(threshold_id, rank, scope, mode, remind_every, alert_limit))
  WHERE ((w.rank = 1) AND (NOT h.is_deleted));

CREATE VIEW pgvigil.mail_in_turn AS
 SELECT host_id,
    alert_id,
    mail_id,
    address,
    due_at,
    claimed_until
   FROM pgvigil.mail m
  WHERE ((sent_at IS NULL) AND (failed_at IS NULL) AND (covered_by IS NULL) AND (NOT (EXISTS ( SELECT
           FROM pgvigil.mail e
          WHERE ((e.host_id = m.host_id) AND (e.alert_id = m.alert_id) AND (e.address = m.address) AND (e.mail_id < m.mail_id) AND (e.sent_at IS NULL) AND (e.failed_at IS NULL))))));

CREATE VIEW pgvigil.own_host WITH (security_barrier='true') AS
 SELECT host_id
   FROM pgvigil.host h
  WHERE ((login_role IS NULL) OR (login_role = SESSION_USER));

CREATE VIEW pgvigil.resource AS
 SELECT c.host_id,
    'cpu_log'::text AS log_table,
    c.cpu_name AS resource,
    c.is_deleted,
    c.updated_at
   FROM pgvigil.cpu_info c
UNION ALL
 SELECT m.host_id,
    'memory_log'::text AS log_table,
    m.memory_name AS resource,
    m.is_deleted,
    m.updated_at
   FROM pgvigil.memory_info m
UNION ALL
 SELECT d.host_id,
    'disk_log'::text AS log_table,
    d.disk_name AS resource,
    d.is_deleted,
    d.updated_at
   FROM pgvigil.disk_info d
UNION ALL
 SELECT n.host_id,
    'network_log'::text AS log_table,
    n.network_interface AS resource,
    n.is_deleted,
    n.updated_at
   FROM pgvigil.network_info n;

CREATE VIEW pgvigil.would_have_mailed AS
 SELECT e.at,
    h.host_name,
    a.metric,
    a.resource,
    e.mail_event AS event,
    e.severity,
    e.value,
    a.threshold_id,
    ARRAY( SELECT g.address
           FROM pgvigil.who_gets(h.host_name, a.metric, e.severity, e.created_at) g(address, language, time_zone)) AS addresses
   FROM ((pgvigil.alert_event e
     JOIN pgvigil.alert a ON (((a.host_id = e.host_id) AND (a.alert_id = e.alert_id))))
     JOIN pgvigil.host h ON ((h.host_id = e.host_id)))
  WHERE (e.is_shadow AND (e.mail_event IS NOT NULL));

GRANT ALL ON FUNCTION dashboard.cpu_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.cpu_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.delay_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.delay_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.disk_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.disk_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.effective_threshold(p_host_name text) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.effective_threshold(p_host_name text) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.fleet_series(p_metric text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.fleet_series(p_metric text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.incident_region(p_host_name text, p_severity text, p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.incident_region(p_host_name text, p_severity text, p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.incident_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.incident_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.limit_series(p_host_name text, p_metric text, p_resources text[], p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.limit_series(p_host_name text, p_metric text, p_resources text[], p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.mail_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.mail_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.memory_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.memory_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.network_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.network_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.noisy_rule(p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.noisy_rule(p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.part(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.part(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.sparkline(p_host_id integer, p_metric text, p_resource text, p_until timestamp with time zone, p_span interval, p_buckets integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.sparkline(p_host_id integer, p_metric text, p_resource text, p_until timestamp with time zone, p_span interval, p_buckets integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.state_series(p_from timestamp with time zone, p_to timestamp with time zone, p_hosts integer, p_points integer) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.state_series(p_from timestamp with time zone, p_to timestamp with time zone, p_hosts integer, p_points integer) TO pgvigil_reader;

GRANT ALL ON FUNCTION dashboard.would_have_mailed(p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION dashboard.would_have_mailed(p_from timestamp with time zone, p_to timestamp with time zone) TO pgvigil_reader;

GRANT ALL ON FUNCTION pgvigil.acknowledge(p_host_name text, p_metric text, p_resource text, p_note text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.backtest(p_host_name text, p_metric text, p_resource text, p_warning double precision, p_critical double precision, p_hold interval, p_clear_band double precision, p_since timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.check_health(p_migrations jsonb, p_as_of timestamp with time zone) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.check_health(p_migrations jsonb, p_as_of timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.claim_mail(p_mailer text, p_limit integer, p_as_of timestamp with time zone) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.cpu_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.disk_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.explain_alert(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.forecast_disk(p_host_id integer, p_disk_name text, p_as_of timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.forget_resource(p_host_name text, p_resource text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.host_id_of(p_host_name text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.is_future(p_at timestamp with time zone, p_stored_at timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.is_within(p_at timestamp with time zone, p_weekdays smallint[], p_from_time time without time zone, p_to_time time without time zone, p_time_zone text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.limit_of(p_host_name text, p_metric text, p_warning double precision, p_critical double precision, p_hold interval, p_clear_band double precision) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.mail_of_event(p_event text, p_is_reopened boolean, p_is_quiet boolean, p_is_worse boolean) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.mark_mail_failed(p_host_id integer, p_mail_id bigint, p_error text, p_about text, p_is_permanent boolean, p_as_of timestamp with time zone) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.mark_mail_sent(p_host_id integer, p_mail_id bigint, p_message_id text, p_server_reply text, p_as_of timestamp with time zone) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.memory_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.network_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.next_mail_due(p_as_of timestamp with time zone) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.next_state(p_state pgvigil.alert_state, p_limit pgvigil.alert_limit, p_at timestamp with time zone, p_value double precision) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.play(p_host_name text, p_metric text, p_resource text, p_limit pgvigil.alert_limit, p_since timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.preview_mail(p_alert_id bigint, p_event text, p_language text, p_time_zone text) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.preview_mail(p_alert_id bigint, p_event text, p_language text, p_time_zone text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.rank_thresholds(p_host_id integer, p_metric text, p_resource text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.record_agent_problems(p_host_id integer, p_problems jsonb) TO pgvigil_agent;

GRANT ALL ON FUNCTION pgvigil.record_inventory(p_host_id integer, p_inventory jsonb) TO pgvigil_agent;

GRANT ALL ON FUNCTION pgvigil.refusals_of_scope(p_table text, p_row jsonb) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.register_host(p_host_name text, p_sample_interval interval, p_agent_version text, p_groups text[], p_labels jsonb) TO pgvigil_agent;

GRANT ALL ON FUNCTION pgvigil.resend_mail(p_address text, p_to text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.revert_threshold(p_history_id bigint) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.samples_of(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.setting(p_setting text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.silence_for(p_duration interval, p_host_name text, p_host_group text, p_metric text, p_resource text, p_note text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.silence_until(p_until timestamp with time zone, p_host_name text, p_host_group text, p_metric text, p_resource text, p_note text) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.suggest_threshold(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.sync_thresholds(p_rules jsonb) TO pgvigil_operator;

GRANT ALL ON FUNCTION pgvigil.tick(p_as_of timestamp with time zone) TO pgvigil_mailer;

GRANT ALL ON FUNCTION pgvigil.who_gets(p_host_name text, p_metric text, p_severity text, p_at timestamp with time zone) TO pgvigil_operator;

GRANT INSERT(available_bytes) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(available_bytes) ON TABLE pgvigil.memory_log TO pgvigil_agent;

GRANT INSERT(cpu_name) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(cpu_usage) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(created_at) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(created_at) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(created_at) ON TABLE pgvigil.memory_log TO pgvigil_agent;

GRANT INSERT(created_at) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(disk_name) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(disk_usage) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(drops_per_second) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(errors_per_second) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(expected),UPDATE(expected) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT INSERT(groups),UPDATE(groups) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT INSERT(host_id) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(host_id) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(host_id) ON TABLE pgvigil.memory_log TO pgvigil_agent;

GRANT INSERT(host_id) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(host_name) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT INSERT(inode_usage) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(io_usage) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(iowait_usage) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(labels),UPDATE(labels) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT INSERT(link_usage) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(load_1m) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(login_role),UPDATE(login_role) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT INSERT(memory_name) ON TABLE pgvigil.memory_log TO pgvigil_agent;

GRANT INSERT(memory_usage) ON TABLE pgvigil.memory_log TO pgvigil_agent;

GRANT INSERT(network_interface) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(read_bytes_per_second) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(received_bytes_per_second) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(sample_interval) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT INSERT(sent_bytes_per_second) ON TABLE pgvigil.network_log TO pgvigil_agent;

GRANT INSERT(steal_usage) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(system_usage) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(used_bytes) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT INSERT(used_bytes) ON TABLE pgvigil.memory_log TO pgvigil_agent;

GRANT INSERT(user_usage) ON TABLE pgvigil.cpu_log TO pgvigil_agent;

GRANT INSERT(write_bytes_per_second) ON TABLE pgvigil.disk_log TO pgvigil_agent;

GRANT SELECT ON TABLE dashboard.agent_problem TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.agent_problem TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.disk_now TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.disk_now TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.fleet_now TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.fleet_now TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.host_now TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.host_now TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.host_state TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.host_state TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.incident TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.incident TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.inventory TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.inventory TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.open_alert TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.open_alert TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.outbox TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.outbox TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.recent_mail TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.recent_mail TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.rule_change TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.rule_change TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.rule_error TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.rule_error TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.silence TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.silence TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.storage TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.storage TO pgvigil_reader;

GRANT SELECT ON TABLE dashboard.upkeep TO pgvigil_operator;

GRANT SELECT ON TABLE dashboard.upkeep TO pgvigil_reader;

GRANT SELECT ON TABLE pgvigil.agent_problem TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.alert TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.alert_event TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.cpu_info TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.cpu_log TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.cpu_packed TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.cpu_rollup_1d TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.cpu_rollup_1h TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.cpu_rollup_5m TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.delivery TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.disk_info TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.disk_log TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.disk_packed TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.disk_rollup_1d TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.disk_rollup_1h TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.disk_rollup_5m TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.effective_threshold TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.fleet_rollup TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.gate TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.host TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.host_lock TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.late_hour TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.log_table TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.mail TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.mail_in_turn TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.mailbox TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.memory_info TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.memory_log TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.memory_packed TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.memory_rollup_1d TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.memory_rollup_1h TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.memory_rollup_5m TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.metric TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.network_info TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.network_log TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.network_packed TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.network_rollup_1d TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.network_rollup_1h TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.network_rollup_5m TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.own_host TO pgvigil_agent;

GRANT SELECT ON TABLE pgvigil.own_host TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.packed_day TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.resource TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.rollup_horizon TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.rollup_progress TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.rule_error TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.schema_migration TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.setting TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.threshold_history TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.upkeep TO pgvigil_operator;

GRANT SELECT ON TABLE pgvigil.would_have_mailed TO pgvigil_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgvigil.recipient TO pgvigil_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgvigil.silence TO pgvigil_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE pgvigil.threshold TO pgvigil_operator;

GRANT UPDATE(daily_retention) ON TABLE pgvigil.log_table TO pgvigil_operator;

GRANT UPDATE(five_minute_retention) ON TABLE pgvigil.log_table TO pgvigil_operator;

GRANT UPDATE(hourly_retention) ON TABLE pgvigil.log_table TO pgvigil_operator;

GRANT UPDATE(is_deleted) ON TABLE pgvigil.host TO pgvigil_operator;

GRANT UPDATE(is_enabled) ON TABLE pgvigil.metric TO pgvigil_operator;

GRANT UPDATE(pack_after) ON TABLE pgvigil.log_table TO pgvigil_operator;

GRANT UPDATE(retention) ON TABLE pgvigil.log_table TO pgvigil_operator;

GRANT UPDATE(value) ON TABLE pgvigil.setting TO pgvigil_operator;

GRANT USAGE ON SCHEMA dashboard TO pgvigil_operator;

GRANT USAGE ON SCHEMA dashboard TO pgvigil_reader;

GRANT USAGE ON SCHEMA pgvigil TO pgvigil_agent;

GRANT USAGE ON SCHEMA pgvigil TO pgvigil_mailer;

GRANT USAGE ON SCHEMA pgvigil TO pgvigil_operator;

REVOKE ALL ON FUNCTION dashboard.cpu_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.delay_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.disk_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.effective_threshold(p_host_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.fleet_series(p_metric text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.incident_region(p_host_name text, p_severity text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.incident_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.limit_series(p_host_name text, p_metric text, p_resources text[], p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.mail_series(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.memory_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.network_series(p_host_name text, p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.noisy_rule(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.part(p_from timestamp with time zone, p_to timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.sparkline(p_host_id integer, p_metric text, p_resource text, p_until timestamp with time zone, p_span interval, p_buckets integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.state_series(p_from timestamp with time zone, p_to timestamp with time zone, p_hosts integer, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION dashboard.would_have_mailed(p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.acknowledge(p_host_name text, p_metric text, p_resource text, p_note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.advance_days(p_stop_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.advance_fleet(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.advance_horizon(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.advance_rollups(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.backtest(p_host_name text, p_metric text, p_resource text, p_warning double precision, p_critical double precision, p_hold interval, p_clear_band double precision, p_since timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.cancel_alert(p_alert pgvigil.alert) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.check_health(p_migrations jsonb, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.claim_host(p_host_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.claim_mail(p_mailer text, p_limit integer, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.claim_next(p_address text, p_mailer text, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.close_alert(p_alert pgvigil.alert, p_reading pgvigil.reading, p_event text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.cpu_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.delete_expired_mail(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.deliver(p_alert pgvigil.alert, p_mail_event text, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.digest_items(p_mail pgvigil.mail) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.disk_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.drop_expired_partitions(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.end_long_reads(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.ensure_history_columns() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.ensure_partitions(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.explain_alert(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.filling_disks(p_groups text[], p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.finish_packing(p_log_table text, p_day date) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.forecast_disk(p_host_id integer, p_disk_name text, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.forget_resource(p_host_name text, p_resource text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.form_digest(p_lead pgvigil.mail, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.handle_rule_errors(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.has_newer_sample(p_log_table text, p_reading pgvigil.reading) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.has_open_alert(p_host_id integer, p_metric text, p_resource text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.host_id_of(p_host_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.is_due(p_task text, p_every interval, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.is_future(p_at timestamp with time zone, p_stored_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.is_own_host(p_host_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.is_shared_login(p_login name) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.is_within(p_at timestamp with time zone, p_weekdays smallint[], p_from_time time without time zone, p_to_time time without time zone, p_time_zone text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.judge(p_log_table text, p_readings pgvigil.reading[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.judge_derived(p_host_id integer, p_metric text, p_resource text, p_value double precision, p_as_of timestamp with time zone, p_detail text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.judge_events(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.judge_reading(p_log_table text, p_reading pgvigil.reading) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.keep_state(p_log_table text, p_reading pgvigil.reading, p_alert pgvigil.alert, p_state pgvigil.alert_state, p_rule record) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.late_after() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.limit_of(p_host_name text, p_metric text, p_warning double precision, p_critical double precision, p_hold interval, p_clear_band double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.lock_host(p_host_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.mail_of_event(p_event text, p_is_reopened boolean, p_is_quiet boolean, p_is_worse boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.mail_text_of(p_mail pgvigil.mail) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_cpu_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_cpu_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_cpu_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_disk_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_disk_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_disk_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_memory_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_memory_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_memory_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_network_rollup_1d(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_network_rollup_1h(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.make_network_rollup_5m(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.mark_fleet(p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.mark_mail_failed(p_host_id integer, p_mail_id bigint, p_error text, p_about text, p_is_permanent boolean, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.mark_mail_sent(p_host_id integer, p_mail_id bigint, p_message_id text, p_server_reply text, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.memory_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.network_samples(p_host_id integer, p_from timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.next_mail_due(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.next_of_mailbox(p_box pgvigil.mailbox, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.next_state(p_state pgvigil.alert_state, p_limit pgvigil.alert_limit, p_at timestamp with time zone, p_value double precision) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.noisy_rules(p_groups text[], p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.note_event(p_alert pgvigil.alert, p_event text, p_mail_event text, p_at timestamp with time zone, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.open_alert(p_log_table text, p_reading pgvigil.reading, p_alert pgvigil.alert, p_state pgvigil.alert_state) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.pack(p_log_table text, p_source text, p_target text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.pack_history(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.pack_host(p_log_table text, p_day date, p_host_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.pack_late(p_host_id integer, p_hour_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.packed_partition(p_log_table text, p_day date) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.partition_day(p_partition text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.partitioned_tables() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.play(p_host_name text, p_metric text, p_resource text, p_limit pgvigil.alert_limit, p_since timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.preview_mail(p_alert_id bigint, p_event text, p_language text, p_time_zone text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.queue_mail(p_alert pgvigil.alert, p_event text, p_now timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.rank_thresholds(p_host_id integer, p_metric text, p_resource text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.rebuild_judging() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.rebuild_rollups() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.rebuild_samples() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.rebuild_series() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.recent_values(p_host_id integer, p_metric text, p_resource text, p_until timestamp with time zone, p_span interval, p_buckets integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.record_agent_problems(p_host_id integer, p_problems jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.record_inventory(p_host_id integer, p_inventory jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.record_rule_error(p_log_table text, p_reading pgvigil.reading, p_threshold_id bigint, p_sqlstate text, p_message text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.refresh_gate(p_host_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.refresh_gates(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.refusals_of_scope(p_table text, p_row jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.register_host(p_host_name text, p_sample_interval interval, p_agent_version text, p_groups text[], p_labels jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.repair_rollups(p_as_of timestamp with time zone, p_stop_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.report_rollout(p_host_name text, p_service text, p_failure text, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.require_now(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.resend_mail(p_address text, p_to text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.revert_threshold(p_history_id bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.ring() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.roll_up(p_host_ids integer[], p_from timestamp with time zone, p_until timestamp with time zone, p_width text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.roll_up_fleet(p_from timestamp with time zone, p_until timestamp with time zone, p_width text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.samples_of(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.seen_at(p_host_id integer, p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.send_reminders(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.series_span(p_host_id integer, p_log_table text, p_from timestamp with time zone, p_until timestamp with time zone, p_points integer, OUT step interval, OUT daily_until timestamp with time zone, OUT hourly_until timestamp with time zone, OUT five_minute_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.series_step(p_from timestamp with time zone, p_until timestamp with time zone, p_points integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.setting(p_setting text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.silence_for(p_duration interval, p_host_name text, p_host_group text, p_metric text, p_resource text, p_note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.silence_until(p_until timestamp with time zone, p_host_name text, p_host_group text, p_metric text, p_resource text, p_note text) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.silenced_by(p_host_id integer, p_metric text, p_resource text, p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.suggest_threshold(p_host_name text, p_metric text, p_resource text, p_since timestamp with time zone, p_until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.sweep_gate(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.sync_thresholds(p_rules jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_cpu_log__judge() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_disk_log__judge() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_host__note_shared_login() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_host__refresh_gate() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_log__mark_late() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_mail__ring() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_memory_log__judge() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_metric__rebuild_history() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_metric__rebuild_judging() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_network_log__judge() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_recipient__validate() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_setting__rebuild_judging() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_setting__validate() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_silence__validate() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_threshold__history() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_threshold__own() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_threshold__refresh_gate() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tg_threshold__validate() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.tick(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.try_lock_host(p_host_id integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.unseen_hosts(p_groups text[], p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.waiting_addresses() FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.watch_agent_problems(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.watch_clocks(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.watch_disks(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.watch_mail(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.watch_silence(p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.weekly_report(p_groups text[], p_as_of timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.who_gets(p_host_name text, p_metric text, p_severity text, p_at timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION pgvigil.write_weekly_reports(p_as_of timestamp with time zone) FROM PUBLIC;
