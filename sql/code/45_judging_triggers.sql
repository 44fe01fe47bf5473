-- The trigger functions of the log tables, written from the rows of pgvigil.metric: a new metric is a column and a row.
-- Each is the cheap first test and nothing else: does any value pass the gate, or has this host an open alert here?

create or replace function pgvigil.rebuild_judging()
returns void
language plpgsql
security definer
set search_path = pg_temp
as $rebuild$
declare
    v_table record;
    v_copies constant boolean := pgvigil.setting('copy_transition_table')::boolean;
begin
    for v_table in
        select
            t.log_table,
            t.resource_column,
            -- A table whose metrics are all off has a trigger that finds nothing to do.
            coalesce(
                string_agg(
                    case m.direction
                        when 'below' then format('n.%I <= g.below[%s]', m.column_name, m.position)
                        else format('n.%I >= g.above[%s]', m.column_name, m.position)
                    end,
                    ' or ' order by m.position
                ) filter (where m.metric is not null),
                'false'
            ) as passes,
            -- by way of text, which is exact, or a real 90.1 would be 90.0999984741211 and short of its limit
            coalesce(
                string_agg(
                    format('(%L, n.%I::text::float8)', m.metric, m.column_name), ', ' order by m.position
                ) filter (where m.metric is not null),
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
set search_path = pg_temp
as $judge$
%6$s
begin
    %7$s
    if exists (
        select from %8$s as n
        inner join pgvigil.gate as g on g.host_id = n.host_id and g.log_table = %2$L
        where g.has_open_alert or %4$s
    ) then
        perform pgvigil.judge(%2$L, array(
            select (n.host_id, m.metric, n.%3$I, n.created_at, n.updated_at, m.value, null)::pgvigil.reading
            from %8$s as n
            cross join lateral (values %5$s) as m (metric, value)
            where m.value is not null
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
            v_table.passes,
            v_table.readings,
            -- On Citus the transition table is gone once another table was read; elsewhere a copy is waste.
            case when v_copies then format('declare v_rows pgvigil.%I[];', v_table.log_table) else '' end,
            case when v_copies then 'v_rows := array(select n from new_rows as n);' else '' end,
            case when v_copies then 'unnest(v_rows)' else 'new_rows' end
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
set search_path = pg_temp
as $$
begin
    perform pgvigil.rebuild_judging();
    -- What is not judged any more cannot end by itself.
    perform pgvigil.cancel_alert(o)
    from (
        select a.*
        from pgvigil.alert as a
        inner join pgvigil.metric as m on m.metric = a.metric
        where a.resolved_at is null and not m.is_enabled
        order by a.host_id
    ) as o;
    return null;
end
$$;
comment on function pgvigil.tg_metric__rebuild_judging() is 'Trigger of pgvigil.metric: a new metric is judged from the next sample on.';

create or replace trigger _500_rebuild_judging
after insert or update or delete on pgvigil.metric
for each statement execute function pgvigil.tg_metric__rebuild_judging();


create or replace function pgvigil.tg_setting__rebuild_judging()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    perform pgvigil.rebuild_judging();
    return null;
end
$$;
comment on function pgvigil.tg_setting__rebuild_judging() is 'Trigger of pgvigil.setting: what the judging triggers are written by has changed.';

create or replace trigger _500_rebuild_judging
after update on pgvigil.setting
for each row when (new.setting = 'copy_transition_table' and new.value is distinct from old.value)
execute function pgvigil.tg_setting__rebuild_judging();

select pgvigil.rebuild_judging();
