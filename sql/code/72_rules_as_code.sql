-- Rules that people edit and rules that the inventory keeps live side by side; every change is kept and can be taken back.

create or replace function pgvigil.tg_threshold__own()
returns trigger
language plpgsql
set search_path = pg_temp
as $$
begin
    -- A row that people edit is theirs from then on: the playbook writes a row of its own beside it, and theirs wins.
    -- If they have one for this already, that one wins in any case.
    if
        coalesce(current_setting('pgvigil.managed_by', true), '') = ''
        -- a renamed host renames its rules, which makes them nobody else's
        and pg_trigger_depth() = 1
        and old.managed_by = new.managed_by
        and not exists (
            select from pgvigil.threshold as t
            where
                t.managed_by = 'sql'
                and t.threshold_id <> new.threshold_id
                and (t.metric, t.host_name, t.host_group, t.resource)
                    is not distinct from (new.metric, new.host_name, new.host_group, new.resource)
        )
    then
        new.managed_by := 'sql';
    end if;
    return new;
end
$$;
comment on function pgvigil.tg_threshold__own() is 'Trigger of pgvigil.threshold: a row that people edit is theirs.';

create or replace trigger _050_own
before update on pgvigil.threshold
for each row execute function pgvigil.tg_threshold__own();


create or replace function pgvigil.tg_threshold__history()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    insert into pgvigil.threshold_history (threshold_id, operation, old, new)
    values (
        coalesce(new.threshold_id, old.threshold_id), lower(tg_op),
        case when tg_op <> 'INSERT' then to_jsonb(old) end,
        case when tg_op <> 'DELETE' then to_jsonb(new) end
    );
    return null;
end
$$;
comment on function pgvigil.tg_threshold__history() is 'Trigger of pgvigil.threshold: who, when, old, new.';

create or replace trigger _900_history
after insert or update or delete on pgvigil.threshold
for each row execute function pgvigil.tg_threshold__history();


create or replace function pgvigil.revert_threshold(p_history_id bigint)
returns text
language plpgsql
set search_path = pg_temp
as $$
declare
    v_change pgvigil.threshold_history;
    v_old pgvigil.threshold;
begin
    select c.* into v_change from pgvigil.threshold_history as c where c.history_id = p_history_id;
    if not found then
        raise exception 'there is no change %', p_history_id
            using hint = 'select history_id, operation, changed_by, changed_at, old, new from pgvigil.threshold_history;';
    end if;
    -- What is put back keeps its owner.
    perform set_config('pgvigil.managed_by', 'revert', true);
    v_old := jsonb_populate_record(null::pgvigil.threshold, v_change.old);
    case v_change.operation
        when 'insert' then
            delete from pgvigil.threshold as t where t.threshold_id = v_change.threshold_id;
        when 'delete' then
            insert into pgvigil.threshold overriding system value
            select (v_old).*
            on conflict do nothing;
        else
            update pgvigil.threshold as t
            set (
                metric, host_name, host_group, resource, warning, critical, clear_band, hold, remind_every, mode, note,
                managed_by
            ) = (
                v_old.metric, v_old.host_name, v_old.host_group, v_old.resource, v_old.warning, v_old.critical,
                v_old.clear_band, v_old.hold, v_old.remind_every, v_old.mode, v_old.note, v_old.managed_by
            )
            where t.threshold_id = v_change.threshold_id;
    end case;
    if not found and v_change.operation = 'delete' then
        raise exception 'rule %, or another one for the same, is there', v_change.threshold_id
            using hint = format('select * from pgvigil.threshold where metric = %L;', v_old.metric);
    elsif not found then
        raise exception 'rule % is gone', v_change.threshold_id
            using hint = 'Take back its deletion first: select * from pgvigil.threshold_history where operation = ''delete'';';
    end if;
    perform set_config('pgvigil.managed_by', '', true);
    return format('%s of rule %s taken back', v_change.operation, v_change.threshold_id);
end
$$;
comment on function pgvigil.revert_threshold(bigint) is 'Takes one change of a rule back; that is a change too, and can be taken back.';


create or replace function pgvigil.sync_thresholds(p_rules jsonb)
returns table (inserted integer, updated integer, deleted integer)
language plpgsql
set search_path = pg_temp
as $$
declare
    v_default constant jsonb := '{"hold": "0", "remind_every": "4 hours", "mode": "armed", "note": ""}';
    v_wanted constant pgvigil.threshold [] := array(
        select
            jsonb_populate_record(
                null::pgvigil.threshold,
                -- null is as if it were not given; of remind_every it means none
                v_default || case when x -> 'remind_every' = 'null' then '{"remind_every": null}' else '{}' end::jsonb
                || jsonb_strip_nulls(x)
            )
        from jsonb_array_elements(p_rules) as x
    );
    v_wrong text;
begin
    select string_agg(distinct k.key, ', ') into v_wrong
    from jsonb_array_elements(p_rules) as x
    cross join jsonb_object_keys(x) as k (key)
    where
        k.key not in (
            'metric', 'host_name', 'host_group', 'resource', 'warning', 'critical', 'clear_band', 'hold', 'remind_every',
            'mode', 'note'
        );
    if v_wrong is not null then
        raise exception 'a rule has no %', v_wrong using
            hint = 'It has metric, host_name, host_group, resource, warning, critical, clear_band, hold, remind_every, mode, note.';
    end if;
    select concat_ws(', ', w.metric, w.host_name, w.host_group, w.resource) into v_wrong
    from unnest(v_wanted) as w
    group by w.metric, w.host_name, w.host_group, w.resource
    having count(*) > 1;
    if found then
        raise exception 'two rules are for the same: %', v_wrong using hint = 'Leave one of them in the list.';
    end if;

    perform set_config('pgvigil.managed_by', 'ansible', true);
    delete from pgvigil.threshold as t
    where t.managed_by = 'ansible' and not exists (
        select from unnest(v_wanted) as w
        where (w.metric, w.host_name, w.host_group, w.resource)
            is not distinct from (t.metric, t.host_name, t.host_group, t.resource)
    );
    get diagnostics deleted = row_count;

    update pgvigil.threshold as t
    set (warning, critical, clear_band, hold, remind_every, mode, note)
    = (w.warning, w.critical, w.clear_band, w.hold, w.remind_every, w.mode, w.note)
    from unnest(v_wanted) as w
    where
        t.managed_by = 'ansible'
        and (w.metric, w.host_name, w.host_group, w.resource)
            is not distinct from (t.metric, t.host_name, t.host_group, t.resource)
        and (t.warning, t.critical, t.clear_band, t.hold, t.remind_every, t.mode, t.note)
            is distinct from (w.warning, w.critical, w.clear_band, w.hold, w.remind_every, w.mode, w.note);
    get diagnostics updated = row_count;

    insert into pgvigil.threshold (
        metric, host_name, host_group, resource, warning, critical, clear_band, hold, remind_every, mode, note, managed_by
    )
    select
        w.metric, w.host_name, w.host_group, w.resource, w.warning, w.critical, w.clear_band, w.hold, w.remind_every,
        w.mode, w.note, 'ansible'
    from unnest(v_wanted) as w
    where not exists (
        select from pgvigil.threshold as t
        where
            t.managed_by = 'ansible'
            and (w.metric, w.host_name, w.host_group, w.resource)
                is not distinct from (t.metric, t.host_name, t.host_group, t.resource)
    );
    get diagnostics inserted = row_count;
    perform set_config('pgvigil.managed_by', '', true);
    return next;
end
$$;
comment on function pgvigil.sync_thresholds(jsonb) is 'Makes the rules of the inventory what the list says: adds, changes and deletes rows with managed_by = ansible, and touches no other. Returns how many; all 0 when nothing had changed.';
