-- A rule that fails costs no sample, and stops no other rule.
begin;
select plan(22);

set local client_min_messages to error;
select pgvigil.ensure_partitions('2031-03-30 12:00+00');
select pgvigil.register_host('web1', '10 seconds', '1.0');
delete from pgvigil.threshold;
insert into pgvigil.threshold (metric, warning) values ('cpu_usage', 90), ('load_1m', 4), ('memory_usage', 90), ('disk_usage', 90);

create function pg_temp.cpu(p_second integer) returns void language sql as $$
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage, load_1m)
    select '2031-03-30 12:00+00'::timestamptz + p_second * interval '1 second', h.host_id, 'cpu-total', 95, 5 from pgvigil.host as h
$$;

-- One value cannot be judged: that of cpu_usage.
alter function pgvigil.next_state(pgvigil.alert_state, pgvigil.alert_limit, timestamptz, double precision) rename to next_state_sound;
create function pgvigil.next_state(p_state pgvigil.alert_state, p_limit pgvigil.alert_limit, p_at timestamptz, p_value double precision)
returns pgvigil.alert_state language plpgsql as $$
begin
    if p_value = 95 then
        perform 1 / 0;
    end if;
    return pgvigil.next_state_sound(p_state, p_limit, p_at, p_value);
end
$$;
select lives_ok($$select pg_temp.cpu(0)$$, 'a rule that divides by zero is no error of the insert');
select is((select count(*) from pgvigil.cpu_log), 1::bigint, 'the sample is stored');
select results_eq(
    $$select e.log_table, e.metric, e.resource, e.message from pgvigil.rule_error as e$$,
    $$values ('cpu_log', 'cpu_usage', 'cpu-total', 'division by zero')$$,
    'the error is noted, with what was judged'
);
select is((select e.host_id from pgvigil.rule_error as e), (select h.host_id from pgvigil.host as h), 'and with its host');
select results_eq(
    $$select a.metric, a.state from pgvigil.alert as a$$, $$values ('load_1m', 'firing')$$,
    'the other metrics of the row are judged all the same'
);
select is((select e.threshold_id from pgvigil.rule_error as e), (select t.threshold_id from pgvigil.threshold as t where t.metric = 'cpu_usage'), 'and with the rule');
select pg_temp.cpu(5);
select is((select count(*) from pgvigil.rule_error), 1::bigint, 'the same error again is noted once');
insert into pgvigil.threshold (metric, warning) values ('rule_error', 1);
select pgvigil.handle_rule_errors('2031-03-30 12:00:07+00');
select is(
    (select string_agg(t.metric, ' ') from pgvigil.threshold as t where t.mode = 'off'), 'cpu_usage', 'the rule is switched off, and no other'
);
select results_eq(
    $$select a.resource, a.state, a.detail from pgvigil.alert as a where a.metric = 'rule_error'$$,
    $$select 'rule ' || t.threshold_id, 'firing', 'division by zero' from pgvigil.threshold as t where t.metric = 'cpu_usage'$$,
    'which is an alert of its own'
);
drop function pgvigil.next_state(pgvigil.alert_state, pgvigil.alert_limit, timestamptz, double precision);
alter function pgvigil.next_state_sound(pgvigil.alert_state, pgvigil.alert_limit, timestamptz, double precision) rename to next_state;
update pgvigil.threshold set mode = 'armed' where metric = 'cpu_usage';
select pgvigil.handle_rule_errors('2031-03-30 12:00:09+00');
select is(
    (select a.state from pgvigil.alert as a where a.metric = 'rule_error'), 'resolved', 'and ends when the rule is armed again'
);
select lives_ok($$select pg_temp.cpu(10)$$, 'the rule is mended');
select is((select string_agg(a.metric, ' ' order by a.metric) from pgvigil.alert as a where a.state = 'firing'), 'cpu_usage load_1m', 'and judges the next sample');
select is((select count(*) from pgvigil.rule_error), 1::bigint, 'without another error');

-- A whole table cannot be judged: its trigger reads a column that is gone.
delete from pgvigil.rule_error;
alter table pgvigil.memory_log drop column available_bytes, drop column memory_usage cascade;
select lives_ok(
    $$insert into pgvigil.memory_log (created_at, host_id, memory_name, used_bytes)
    select '2031-03-30 12:00+00', h.host_id, 'memory', 1 from pgvigil.host as h$$,
    'columns that are gone are no error of the insert'
);
select is((select count(*) from pgvigil.memory_log), 1::bigint, 'its sample is stored');
select results_eq(
    $$select e.log_table, e.metric from pgvigil.rule_error as e$$, $$values ('memory_log', null::text)$$,
    'the error is noted, of the table as a whole'
);
select pgvigil.handle_rule_errors('2031-03-30 12:00:20+00');
select is(
    (select string_agg(a.resource, ', ' order by a.resource) from pgvigil.alert as a where a.metric = 'rule_error' and a.state = 'firing'),
    'metric memory_available_bytes, metric memory_usage', 'each of the metrics that cannot be judged is named'
);
select is(
    (select string_agg(m.metric, ' ' order by m.metric) from pgvigil.metric as m where not m.is_enabled),
    'memory_available_bytes memory_usage', 'and switched off'
);
insert into pgvigil.disk_log (created_at, host_id, disk_name, disk_usage)
select '2031-03-30 12:00+00', h.host_id, '/', 95 from pgvigil.host as h;
select is(
    (select count(*) from pgvigil.alert as a where a.metric = 'disk_usage'), 1::bigint, 'the other tables are judged all the same'
);

-- Locks and deadlocks are no faults of a rule: the agent tries the sample again.
create function pg_temp.raises(p_sqlstate text) returns text language plpgsql as $$
begin
    execute format(
        $f$
        create or replace function pgvigil.has_newer_sample(p_log_table text, p_reading pgvigil.reading)
        returns boolean language plpgsql as $b$ begin raise exception using errcode = %L; end $b$
        $f$,
        p_sqlstate
    );
    delete from pgvigil.alert_event;
    delete from pgvigil.alert;
    insert into pgvigil.cpu_log (created_at, host_id, cpu_name, cpu_usage)
    select '2031-03-30 13:00+00', h.host_id, 'cpu-total', 95 from pgvigil.host as h;
    return 'stored';
exception when others then
    return sqlstate;
end
$$;
select is(pg_temp.raises('40P01'), '40P01', 'a deadlock goes back to the agent');
select is(pg_temp.raises('40001'), '40001', 'a serialization failure goes back to the agent');
select is(pg_temp.raises('55P03'), '55P03', 'a lock that was not to be had goes back to the agent');

select * from finish();
rollback;
