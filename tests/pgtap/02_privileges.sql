-- Who may do what: each role does its own work, and nothing else.
begin;
select plan(55);

-- What comes of a statement in a role: 'ok', or the SQLSTATE.
create function pg_temp.attempt(p_role text, p_statement text) returns text language plpgsql as $$
begin
    execute format('set local role %I', p_role);
    execute p_statement;
    reset role;
    return 'ok';
exception when others then
    return sqlstate;
end
$$;
create role pgvigil_test_stranger nologin;
create temporary table v as select pgvigil.register_host('web1', '10 seconds', '1.0') as host_id;
grant select on v to public;
insert into pgvigil.recipient (address) values ('ops@example.org');

-- Agent.
select is(
    pg_temp.attempt(
        'pgvigil_agent',
        $$insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, user_usage, system_usage, iowait_usage,
        steal_usage, load_1m) select now(), host_id, 'cpu-total', 99.5, 1, 1, 1, 1, 1 from v on conflict do nothing$$
    ),
    'ok', 'an agent inserts into cpu_log, and the rules may write what they must'
);
select is(
    pg_temp.attempt(
        'pgvigil_agent',
        $$insert into pgvigil.memory_log (created_at, host_id, memory_name, memory_usage, used_bytes, available_bytes)
        select now(), host_id, 'memory', 99, 1, 1 from v on conflict do nothing$$
    ),
    'ok', 'an agent inserts into memory_log'
);
select is(
    pg_temp.attempt(
        'pgvigil_agent',
        $$insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage, inode_usage, io_usage, used_bytes,
        available_bytes, read_bytes_per_second, write_bytes_per_second)
        select now(), host_id, '/', 99, 1, 1, 1, 1, 1, 1 from v on conflict do nothing$$
    ),
    'ok', 'an agent inserts into disk_log'
);
select is(
    pg_temp.attempt(
        'pgvigil_agent',
        $$insert into pgvigil.network_log (created_at, host_id, network_interface, received_bytes_per_second,
        sent_bytes_per_second, errors_per_second, drops_per_second, link_usage)
        select now(), host_id, 'eth0', 1, 1, 99, 1, 1 from v on conflict do nothing$$
    ),
    'ok', 'an agent inserts into network_log'
);
select is(
    (select array_agg(distinct a.metric order by a.metric) from pgvigil.alert as a),
    array['cpu_usage', 'disk_usage', 'errors_per_second', 'memory_usage'],
    'what the agent inserted was judged'
);
select is(
    pg_temp.attempt('pgvigil_agent', $$select pgvigil.register_host('web2', '10 seconds', '1.0')$$),
    'ok', 'an agent registers its host'
);
select is(
    pg_temp.attempt('pgvigil_agent', $$select pgvigil.record_inventory(host_id, '{"cpu": [{"cpu_name": "cpu-total", "cpu_core": 4}]}') from v$$),
    'ok', 'an agent sends its inventory'
);
select is(
    pg_temp.attempt('pgvigil_agent', format($$insert into pgvigil.%I (%I) values (default)$$, t, c)),
    '42501', format('an agent cannot set %s.%s', t, c)
)
from unnest(array['cpu_log', 'memory_log', 'disk_log', 'network_log']) as t
cross join (values ('updated_at'), ('is_deleted')) as x (c);
select is_empty(
    $$
    select c.oid::regclass, a.attname, p.privilege
    from pg_class as c
    inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    cross join (values ('SELECT'), ('UPDATE'), ('REFERENCES')) as p (privilege)
    where c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace, 'dashboard'::regnamespace)
    and c.relkind in ('r', 'p', 'v')
    and has_column_privilege('pgvigil_agent', c.oid, a.attnum, p.privilege)
    and not (c.relname = 'own_host' and p.privilege = 'SELECT')
    $$,
    'an agent reads no column of any table, but the numbers of its own hosts, and changes none'
);
select is_empty(
    $$
    select c.oid::regclass, p.privilege
    from pg_class as c
    cross join (values ('INSERT'), ('DELETE'), ('TRUNCATE'), ('TRIGGER')) as p (privilege)
    where c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace, 'dashboard'::regnamespace)
    and c.relkind in ('r', 'p', 'v')
    and has_table_privilege('pgvigil_agent', c.oid, p.privilege)
    $$,
    'an agent deletes from no table, and inserts whole rows into none'
);
select bag_eq(
    $$
    select c.relname::text from pg_class as c
    where c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace)
    and c.relkind in ('r', 'p', 'v') and has_any_column_privilege('pgvigil_agent', c.oid, 'INSERT')
    $$,
    $$values ('cpu_log'), ('memory_log'), ('disk_log'), ('network_log')$$,
    'an agent inserts into the four log tables only'
);
select is(
    pg_temp.attempt(
        'pgvigil_agent',
        format(
            'insert into pgvigil_partition.cpu_log_%s (created_at, host_id, cpu_name, cpu_usage) values (now(), 1, ''x'', 1)',
            to_char(now() at time zone 'UTC', 'YYYYMMDD')
        )
    ),
    '42501', 'an agent cannot insert into a partition, past the rules'
);
select is(
    pg_temp.attempt('pgvigil_agent', format('select from %s', t)), '42501', format('an agent cannot read %s', t)
)
from unnest(array['pgvigil.cpu_log', 'pgvigil.alert', 'pgvigil.mail', 'pgvigil.host', 'dashboard.host_now']) as t;
select is(
    pg_temp.attempt('pgvigil_agent', 'delete from pgvigil.cpu_log'), '42501', 'an agent cannot delete its samples'
);

-- Schemas and functions: exactly these.
select results_eq(
    $$
    select r.role, string_agg(n.nspname::text collate "default", ',' order by n.nspname)
    from unnest(array['pgvigil_agent', 'pgvigil_mailer', 'pgvigil_operator', 'pgvigil_reader', 'pgvigil_test_stranger'])
        with ordinality as r (role, nr)
    left join pg_namespace as n
        on
            n.nspname in ('pgvigil', 'pgvigil_partition', 'dashboard')
            and (has_schema_privilege(r.role, n.oid, 'USAGE') or has_schema_privilege(r.role, n.oid, 'CREATE'))
    group by r.role, r.nr
    order by r.nr
    $$,
    $$
    values
    ('pgvigil_agent', 'pgvigil'), ('pgvigil_mailer', 'pgvigil'), ('pgvigil_operator', 'dashboard,pgvigil'), ('pgvigil_reader', 'dashboard'),
    ('pgvigil_test_stranger', null)
    $$,
    'each role may look into its own schemas, nobody into the partitions, and a stranger into none'
);
select results_eq(
    $$
    select r.role, string_agg(p.proname::text collate "default", ',' order by p.proname)
    from unnest(array['pgvigil_agent', 'pgvigil_mailer', 'pgvigil_operator', 'pgvigil_reader', 'pgvigil_test_stranger'])
        with ordinality as r (role, nr)
    left join pg_proc as p
        on
            p.pronamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace)
            and has_function_privilege(r.role, p.oid, 'EXECUTE')
    group by r.role, r.nr
    order by r.nr
    $$,
    $$
    values
    ('pgvigil_agent', 'record_agent_problems,record_inventory,register_host'),
    ('pgvigil_mailer', 'check_health,claim_mail,mark_mail_failed,mark_mail_sent,next_mail_due,preview_mail,tick'),
    (
        'pgvigil_operator',
        'acknowledge,backtest,check_health,cpu_samples,cpu_series,delay_series,disk_samples,disk_series,effective_threshold,explain_alert,'
        'fleet_series,forecast_disk,'
        'forget_resource,host_id_of,incident_region,incident_series,is_future,is_within,limit_of,limit_series,mail_of_event,mail_series,'
        'memory_samples,memory_series,network_samples,network_series,next_state,noisy_rule,part,play,preview_mail,'
        'rank_thresholds,refusals_of_scope,resend_mail,revert_threshold,samples_of,setting,'
        'silence_for,silence_until,silenced_by,silenced_by,sparkline,state_series,suggest_threshold,sync_thresholds,who_gets,'
        'would_have_mailed'
    ),
    (
        'pgvigil_reader',
        'cpu_series,delay_series,disk_series,effective_threshold,fleet_series,incident_region,incident_series,limit_series,'
        'mail_series,memory_series,network_series,noisy_rule,part,silenced_by,sparkline,state_series,would_have_mailed'
    ),
    ('pgvigil_test_stranger', null)
    $$,
    'each role may call its own functions, and a stranger none'
);

-- Mailer.
select is(
    pg_temp.attempt('pgvigil_mailer', $$select pgvigil.claim_mail('m', 1, now())$$), 'ok', 'a mailer claims mails'
);
select is(
    pg_temp.attempt('pgvigil_mailer', $$select pgvigil.mark_mail_sent(1, 1, '<a@b>', '250 OK', now())$$), 'ok', 'a mailer marks mails'
);
select is(
    pg_temp.attempt('pgvigil_mailer', $$select pgvigil.mark_mail_failed(1, 1, 'no', 'mail', false, now())$$),
    'ok', 'a mailer marks failures'
);
select is(pg_temp.attempt('pgvigil_mailer', $$select pgvigil.next_mail_due(now())$$), 'ok', 'a mailer asks how long to sleep');
select is(pg_temp.attempt('pgvigil_mailer', $$select pgvigil.tick(now())$$), 'ok', 'a mailer ticks');
select is(pg_temp.attempt('pgvigil_mailer', 'select from pgvigil.mail'), '42501', 'a mailer cannot read the outbox itself');

-- Reader.
select is(
    pg_temp.attempt('pgvigil_reader', format('select * from dashboard.%I', t)), 'ok', format('a reader reads dashboard.%s', t)
)
from unnest(array['host_now', 'open_alert', 'recent_mail']) as t;
select is(
    pg_temp.attempt(
        'pgvigil_reader',
        $$select dashboard.sparkline(host_id, 'cpu_usage', 'cpu-total', now(), '1 hour', 60) from v$$
    ),
    'ok', 'a reader draws sparklines'
);
select is(pg_temp.attempt('pgvigil_reader', 'select from pgvigil.alert'), '42501', 'a reader reads nothing below the dashboard');
select is_empty(
    $$
    select r.role, c.oid::regclass
    from unnest(array['pgvigil_mailer', 'pgvigil_reader', 'pgvigil_test_stranger']) as r (role)
    cross join pg_class as c
    cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) as p (privilege)
    where
        c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace, 'dashboard'::regnamespace)
        and c.relkind in ('r', 'p', 'v')
        and case
            when p.privilege in ('DELETE', 'TRUNCATE', 'TRIGGER') then has_table_privilege(r.role, c.oid, p.privilege)
            else has_any_column_privilege(r.role, c.oid, p.privilege)
        end
        and not (r.role = 'pgvigil_reader' and p.privilege = 'SELECT' and c.relnamespace = 'dashboard'::regnamespace)
    $$,
    'mailer, reader and stranger have no right on any table, but the reader on the dashboard'
);

-- Operator.
select is(
    pg_temp.attempt('pgvigil_operator', $$insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 50)$$),
    'ok', 'an operator makes a rule'
);
select is(
    pg_temp.attempt('pgvigil_operator', $$update pgvigil.threshold set warning = 51 where managed_by = 'sql'$$),
    'ok', 'an operator changes a rule'
);
select is(
    pg_temp.attempt('pgvigil_operator', $$delete from pgvigil.threshold where managed_by = 'sql'$$),
    'ok', 'an operator deletes a rule'
);
select is(
    pg_temp.attempt('pgvigil_operator', $$insert into pgvigil.recipient (address) values ('a@example.org')$$),
    'ok', 'an operator makes a recipient'
);
select is(
    pg_temp.attempt('pgvigil_operator', $$update pgvigil.setting set value = '5' where setting = 'gap_intervals'$$),
    'ok', 'an operator changes a setting'
);
select is(
    pg_temp.attempt('pgvigil_operator', $$update pgvigil.host set groups = '{web}', expected = false$$),
    'ok', 'an operator groups hosts'
);
select is(
    pg_temp.attempt('pgvigil_operator', 'select * from pgvigil.effective_threshold'),
    'ok', 'an operator sees which rule judges what'
);
select is_empty(
    $$
    select c.oid::regclass
    from pg_class as c
    where
        c.relnamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace) and c.relkind in ('r', 'p', 'v')
        and not has_table_privilege('pgvigil_operator', c.oid, 'SELECT')
    $$,
    'an operator reads everything'
);
select bag_eq(
    $$
    select c.relname::text, p.privilege, array_agg(a.attname::text order by a.attname)
    from pg_class as c
    inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    cross join unnest(array['INSERT', 'UPDATE']) as p (privilege)
    where
        c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace, 'dashboard'::regnamespace)
        and c.relkind in ('r', 'p', 'v')
        and not c.relname in ('threshold', 'recipient', 'silence')
        and has_column_privilege('pgvigil_operator', c.oid, a.attnum, p.privilege)
    group by c.relname, p.privilege
    $$,
    $$
    values
    ('host', 'INSERT', array['expected', 'groups', 'host_name', 'labels', 'login_role', 'sample_interval']),
    ('host', 'UPDATE', array['expected', 'groups', 'is_deleted', 'labels', 'login_role']),
    ('log_table', 'UPDATE', array['daily_retention', 'five_minute_retention', 'hourly_retention', 'pack_after', 'retention']),
    ('metric', 'UPDATE', array['is_enabled']),
    ('setting', 'UPDATE', array['value'])
    $$,
    'beside rules, recipients and silences an operator changes a few columns only: no alert, no mail, no sample'
);
select bag_eq(
    $$
    select c.relname::text
    from pg_class as c
    cross join unnest(array['DELETE', 'TRUNCATE']) as p (privilege)
    where
        c.relnamespace in ('pgvigil'::regnamespace, 'pgvigil_partition'::regnamespace, 'dashboard'::regnamespace)
        and c.relkind in ('r', 'p', 'v') and has_table_privilege('pgvigil_operator', c.oid, p.privilege)
    $$,
    $$values ('threshold'), ('recipient'), ('silence')$$,
    'an operator deletes rules, recipients and silences only'
);

-- Everybody else.
select is(
    pg_temp.attempt('pgvigil_test_stranger', s), '42501', format('a stranger is refused: %s', s)
)
from unnest(array[
    'select from pgvigil.host', 'insert into pgvigil.cpu_log (host_id) values (1)', 'select from dashboard.host_now',
    $$select pgvigil.register_host('x', '10 seconds', '1')$$, $$select pgvigil.tick(now())$$
]) as s;
select is_empty(
    $$
    select r.rolname from pg_roles as r
    where r.rolname ~ '^pgvigil_(agent|mailer|operator|reader)$' and (r.rolcanlogin or r.rolsuper or r.rolbypassrls)
    $$,
    'nobody logs in as a group'
);

select * from finish();
rollback;
