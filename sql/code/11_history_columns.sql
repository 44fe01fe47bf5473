-- A new column of a log table gets its place in the rollups and in the packed history: nothing but the column and its
-- row in pgvigil.metric has to be written by hand. Adding a column that may be null rewrites no row.

create or replace function pgvigil.ensure_history_columns()
returns void
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_column record;
begin
    for v_column in
        select n.table_name, n.column_name, n.type_name, n.description
        from pgvigil.log_table as t
        inner join pg_catalog.pg_attribute as a on a.attrelid = format('pgvigil.%I', t.log_table)::regclass
        cross join lateral (
            select format('pgvigil.%I', replace(t.log_table, '_log', w.suffix)) as table_name, c.*
            from (values ('_rollup_5m'), ('_rollup_1h'), ('_rollup_1d')) as w (suffix)
            cross join lateral (
                values
                (a.attname, case a.atttypid when 'real'::regtype then 'real' else 'double precision' end, 'Average of the bucket.'),
                (a.attname || '_max', format_type(a.atttypid, null), 'Maximum of the bucket.')
            ) as c (column_name, type_name, description)
            union all
            select
                p.table_name, a.attname, format_type(a.atttypid, null) || '[]', 'The values, in the order of created_at.'
            from (
                select format('pgvigil.%I', replace(t.log_table, '_log', '_packed'))
                union all
                -- tables that are being filled, and are not partitions yet
                select format('pgvigil_partition.%I_%s', replace(d.log_table, '_log', '_packed'), to_char(d.day, 'YYYYMMDD'))
                from pgvigil.packed_day as d
                where d.log_table = t.log_table and not d.is_done
            ) as p (table_name)
        ) as n
        where
            a.attnum > 0
            and not a.attisdropped
            and a.atttypid in ('real'::regtype, 'bigint'::regtype)
            and not exists (
                select from pg_catalog.pg_attribute as e
                where e.attrelid = n.table_name::regclass and e.attname = n.column_name and not e.attisdropped
            )
    loop
        execute format('alter table %s add column %I %s', v_column.table_name, v_column.column_name, v_column.type_name);
        execute format('comment on column %s.%I is %L', v_column.table_name, v_column.column_name, v_column.description);
    end loop;
end
$$;
comment on function pgvigil.ensure_history_columns() is 'Adds the columns of the log tables that rollups and packed history lack.';

select pgvigil.ensure_history_columns();
