-- The trigger functions of the log tables, written from the rows of pgvigil.metric: a new metric is a column and a row.
-- Each is the cheap first test and nothing else: does any value pass the gate, or has this host an open alert here?

create or replace function pgvigil.rebuild_judging()
returns void
language plpgsql
security definer
set search_path = ''
as $rebuild$
declare
    v_table record;
begin
    for v_table in
        select
            t.log_table,
            t.resource_column,
            -- A table whose metrics are all off has a trigger that finds nothing to do.
            coalesce(string_agg(format('v_%s double precision;', m.position), ' ' order by m.position), '')
                as variables,
            coalesce(string_agg(format(', v_%s', m.position), '' order by m.position), '') as targets,
            coalesce(
                string_agg(
                    format(
                        ', %s(n.%I)', case m.direction when 'below' then 'min' else 'max' end, m.column_name
                    ),
                    '' order by m.position
                ),
                ''
            ) as extremes,
            coalesce(
                string_agg(
                    case m.direction
                        when 'below' then format('v_%s <= v_gate.below[%s]', m.position, m.position)
                        else format('v_%s >= v_gate.above[%s]', m.position, m.position)
                    end,
                    ' or ' order by m.position
                ),
                'false'
            ) as passes,
            -- by way of text, which is exact, or a real 90.1 would be 90.0999984741211 and short of its limit
            coalesce(
                string_agg(
                    format('(%L, n.%I::text::float8)', m.metric, m.column_name), ', ' order by m.position
                ),
                '(null::text, null::float8)'
            ) as readings
        from pgvigil.log_table as t
        left join pgvigil.metric as m on m.log_table = t.log_table and m.is_enabled
        group by t.log_table, t.resource_column
    loop
        execute format(
            $template$
create or replace function pgvigil.%1$I()
returns trigger
language plpgsql
security definer
set search_path = ''
as $judge$
declare
    v_host_id integer;
    v_last_host_id integer;
    v_from timestamptz;
    v_to timestamptz;
    v_stored_at timestamptz;
    v_gate pgvigil.gate;
    %4$s
begin
    -- The transition table is read once, and before any other: on Citus it is gone afterwards. One pass for the
    -- extremes is a quarter of the cost of a copy, and a copy is hardly ever needed.
    select
        min(n.host_id), max(n.host_id), min(n.created_at), max(n.created_at), max(n.updated_at)
        %6$s
    into v_host_id, v_last_host_id, v_from, v_to, v_stored_at%5$s
    from new_rows as n;

    if v_host_id <> v_last_host_id then
        -- Several hosts in one statement: no agent does that, a load by hand may.
        perform pgvigil.judge(%2$L, array(
            select (n.host_id, m.metric, n.%3$I, n.created_at, n.updated_at, m.value, null)::pgvigil.reading
            from new_rows as n
            cross join lateral (values %8$s) as m (metric, value)
            where m.value is not null
        ));
        return null;
    end if;

    select g.* into v_gate from pgvigil.gate as g where g.host_id = v_host_id and g.log_table = %2$L;
    if v_gate.has_open_alert or %7$s then
        perform pgvigil.judge(%2$L, array(
            select (n.host_id, m.metric, n.%3$I, n.created_at, n.updated_at, m.value, null)::pgvigil.reading
            from pgvigil.%2$I as n
            cross join lateral (values %8$s) as m (metric, value)
            where
                n.host_id = v_host_id
                and n.created_at between v_from and v_to
                -- the rows of this statement, which share it, and not what was judged before
                and n.updated_at = v_stored_at
                and m.value is not null
        ));
    end if;
    return null;
exception when others then
    perform pgvigil.record_rule_error(%2$L, null, null, sqlstate, sqlerrm);
    return null;
end
$judge$
            $template$,
            format('tg_%s__judge', v_table.log_table),
            v_table.log_table,
            v_table.resource_column,
            v_table.variables,
            v_table.targets,
            v_table.extremes,
            v_table.passes,
            v_table.readings
        );
        execute format(
            'comment on function pgvigil.%I() is %L',
            format('tg_%s__judge', v_table.log_table),
            'Trigger of pgvigil.' || v_table.log_table || ', written by rebuild_judging(): the cheap first test, then judge().'
        );
        -- On the parent only: an insert straight into a partition would not be judged, so nobody may do that.
        -- Made once: replacing a trigger would wait for every insert under way.
        if not exists (
            select from pg_catalog.pg_trigger as g
            where g.tgrelid = format('pgvigil.%I', v_table.log_table)::regclass and g.tgname = '_500_judge'
        ) then
            execute format(
                'create trigger _500_judge after insert on pgvigil.%I'
                ' referencing new table as new_rows for each statement execute function pgvigil.%I()',
                v_table.log_table, format('tg_%s__judge', v_table.log_table)
            );
        end if;
    end loop;
    perform pgvigil.refresh_gate();
end
$rebuild$;
comment on function pgvigil.rebuild_judging() is 'Writes the trigger functions of the log tables anew from pgvigil.metric.';


create or replace function pgvigil.tg_metric__rebuild_judging()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    perform pgvigil.rebuild_judging();
    -- What is not judged any more cannot end by itself.
    perform pgvigil.cancel_alert(a)
    from pgvigil.alert as a
    inner join pgvigil.metric as m on m.metric = a.metric
    where a.resolved_at is null and not m.is_enabled;
    return null;
end
$$;
comment on function pgvigil.tg_metric__rebuild_judging() is 'Trigger of pgvigil.metric: a new metric is judged from the next sample on.';

create or replace trigger _500_rebuild_judging
after insert or update or delete on pgvigil.metric
for each statement execute function pgvigil.tg_metric__rebuild_judging();


create or replace function pgvigil.tg_alert__mark_gate()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
    v_alert constant pgvigil.alert := coalesce(new, old);
begin
    update pgvigil.gate as g
    set has_open_alert = exists (
        select from pgvigil.alert as a
        where a.host_id = v_alert.host_id and a.log_table = v_alert.log_table and a.resolved_at is null
    )
    where g.host_id = v_alert.host_id and g.log_table = v_alert.log_table;
    return null;
end
$$;
comment on function pgvigil.tg_alert__mark_gate() is 'Trigger of pgvigil.alert: while one is open, the gate is.';

create or replace trigger _500_mark_gate
after insert or delete or update of resolved_at on pgvigil.alert
for each row execute function pgvigil.tg_alert__mark_gate();

select pgvigil.rebuild_judging();
