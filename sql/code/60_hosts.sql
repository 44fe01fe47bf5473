-- What an agent calls besides inserting: it registers once per connection, and sends its inventory when that changed.

create or replace function pgvigil.is_own_host(p_host_id integer)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_temp
as $$
begin
    -- session_user: who logged in, whatever role was set since. The owner of the schema may act for every host.
    return exists (
        select from pgvigil.host as h
        where h.host_id = p_host_id and (h.login_role is null or h.login_role = session_user)
    )
    or pg_has_role(session_user, current_user, 'usage');
end
$$;
comment on function pgvigil.is_own_host(integer) is 'Whether this login may write samples of a host: it is the host''s login, or the host has none yet.';


create or replace view pgvigil.own_host with (security_barrier) as
select h.host_id
from pgvigil.host as h
where h.login_role is null or h.login_role = session_user;
comment on view pgvigil.own_host is 'The hosts as which this login may insert samples. All that an agent can read.';
comment on column pgvigil.own_host.host_id is 'The host.';


-- Row security: an agent inserts rows of its own host only. Who may read the log tables may read all of them.
do $$
declare
    v_table text;
begin
    for v_table in
        select t.log_table
        from pgvigil.log_table as t
        inner join pg_catalog.pg_class as c on c.oid = format('pgvigil.%I', t.log_table)::regclass
        -- once: to do it again would wait for every insert under way
        where not c.relrowsecurity
    loop
        execute format('alter table pgvigil.%I enable row level security', v_table);
        execute format(
            -- a view: a function would cost as much as storing the row does
            'create policy own_host on pgvigil.%1$I for insert to public'
            ' with check (exists (select from pgvigil.own_host as o where o.host_id = %1$I.host_id))',
            v_table
        );
        execute format('create policy all_hosts on pgvigil.%I for select to public using (true)', v_table);
    end loop;
end
$$;


create or replace function pgvigil.is_shared_login(p_login name)
returns boolean
language sql
stable
set search_path = pg_temp
as $$
    select coalesce(s.value = '*' or p_login = any(string_to_array(replace(s.value, ' ', ''), ',')), false)
    from pgvigil.setting as s
    where s.setting = 'shared_logins'
$$;
comment on function pgvigil.is_shared_login(name) is 'Whether a login may serve several hosts: the setting shared_logins names it.';


create or replace function pgvigil.tg_host__note_shared_login()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    -- who shares a login goes on to do so when the setting does not name it any more
    new.shares_login := pgvigil.is_shared_login(new.login_role)
    or (tg_op = 'UPDATE' and old.shares_login and old.login_role is not distinct from new.login_role);
    return new;
end
$$;
comment on function pgvigil.tg_host__note_shared_login() is 'Trigger of pgvigil.host: says which rows the index host_login_is_of_one_host leaves out.';

create or replace trigger _100_note_shared_login
before insert or update of login_role, shares_login on pgvigil.host
for each row execute function pgvigil.tg_host__note_shared_login();


create or replace function pgvigil.claim_host(p_host_name text)
returns name
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_login name;
    v_is_new boolean;
    v_other text;
begin
    select h.login_role, h.login_role is null or h.is_deleted into v_login, v_is_new
    from pgvigil.host as h
    where h.host_name = p_host_name;
    if pg_has_role(session_user, current_user, 'usage') then
        return v_login;
    end if;
    if v_login is distinct from session_user and v_login is not null then
        raise insufficient_privilege using
            message = format('host %s belongs to the login %s, not to %s', p_host_name, v_login, session_user),
            hint = format(
                'If that is to change: update pgvigil.host set login_role = %L where host_name = %L;',
                session_user, p_host_name
            );
    end if;
    if v_is_new is not false and not pgvigil.is_shared_login(session_user) then
        select min(h.host_name) into v_other
        from pgvigil.host as h
        where h.login_role = session_user and h.host_name <> p_host_name and not h.is_deleted;
        if v_other is not null then
            raise insufficient_privilege using
                message = format('login %s belongs to host %s already, and may not be %s too', session_user, v_other, p_host_name),
                hint = 'Give each host a login of its own, or name this one in the setting shared_logins';
        end if;
    end if;
    return session_user;
end
$$;
comment on function pgvigil.claim_host(text) is 'The login that a host belongs to from now on; refuses a host of another login, and a second host for a login that is not shared.';


create or replace function pgvigil.register_host(
    p_host_name text,
    p_sample_interval interval,
    p_agent_version text,
    p_groups text[] default null,
    p_labels jsonb default null
)
returns integer
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_host_id integer;
    v_login constant name := pgvigil.claim_host(p_host_name);
begin
    select h.host_id into v_host_id
    from pgvigil.host as h
    where
        h.host_name = p_host_name
        and h.login_role is not distinct from v_login
        and h.sample_interval = p_sample_interval
        and h.agent_version = p_agent_version
        and h.groups = coalesce(p_groups, h.groups)
        and h.labels @> coalesce(p_labels, '{}')
        and not h.is_deleted;
    if found then
        -- Nothing to write: a thousand agents that come back at once do not queue for the gate.
        return v_host_id;
    end if;

    begin
        insert into pgvigil.host as h (
            host_name, login_role, sample_interval, agent_version, groups, labels, last_seen_at
        )
        values (
            p_host_name, v_login, p_sample_interval, p_agent_version, coalesce(p_groups, '{}'), coalesce(p_labels, '{}'),
            statement_timestamp()
        )
        on conflict (host_name) do update
            set
                login_role = excluded.login_role,
                sample_interval = excluded.sample_interval,
                agent_version = excluded.agent_version,
                groups = coalesce(p_groups, h.groups),
                labels = h.labels || excluded.labels, -- people set some too
                is_deleted = false,
                last_seen_at = excluded.last_seen_at,
                updated_at = statement_timestamp()
            -- another login may have been faster
            where h.login_role is null or h.login_role = excluded.login_role
        returning h.host_id into v_host_id;
    exception
        -- Another session has registered another host for this login meanwhile, which the index tells for certain.
        when unique_violation then
            perform pgvigil.claim_host(p_host_name);
            raise;
    end;
    if v_host_id is null then
        perform pgvigil.claim_host(p_host_name);
    end if;
    return v_host_id;
end
$$;
comment on function pgvigil.register_host(text, interval, text, text[], jsonb) is 'Makes the host known, or notes its new interval, version, groups or labels (those it does not name are kept); binds it to the login that calls; returns its host_id.';


create or replace function pgvigil.record_inventory(p_host_id integer, p_inventory jsonb)
returns void
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_table record;
    v_resource record;
begin
    if not pgvigil.is_own_host(p_host_id) then
        raise insufficient_privilege using message = format('host_id %s does not belong to the login %s', p_host_id, session_user);
    end if;
    for v_table in
        select
            t.info_table,
            t.resource_column,
            replace(t.info_table, '_info', '') as key,
            string_agg(quote_ident(c.attname), ', ' order by c.attnum) as columns,
            string_agg(format('i.%I', c.attname), ', ' order by c.attnum) as values,
            string_agg(format('%1$I = excluded.%1$I', c.attname), ', ' order by c.attnum) as assignments,
            string_agg(format('t.%I', c.attname), ', ' order by c.attnum) as stored,
            string_agg(format('excluded.%I', c.attname), ', ' order by c.attnum) as excluded
        from pgvigil.log_table as t
        inner join pg_catalog.pg_attribute as c on c.attrelid = format('pgvigil.%I', t.info_table)::regclass
        where
            c.attnum > 0
            and not c.attisdropped
            and c.attname not in ('id', 'host_id', 'is_deleted', 'created_at', 'updated_at')
        group by t.info_table, t.resource_column
    loop
        -- A part that is missing was not measured; that is not to say that all of it is gone.
        continue when not p_inventory ? v_table.key;
        execute format(
            'insert into pgvigil.%1$I as t (host_id, %2$s)'
            ' select distinct on (i.%4$I) $1, %3$s from jsonb_populate_recordset(null::pgvigil.%1$I, $2) as i'
            ' on conflict (host_id, %4$I) do update set %5$s, is_deleted = false, updated_at = statement_timestamp()'
            ' where t.is_deleted or (%6$s) is distinct from (%7$s)',
            v_table.info_table, v_table.columns, v_table.values, v_table.resource_column, v_table.assignments,
            v_table.stored, v_table.excluded
        )
        using p_host_id, p_inventory -> v_table.key;
        -- A part that could not be read whole does not tell what is gone.
        continue when p_inventory -> 'incomplete' ? v_table.key;
        -- What vanished keeps its row and its history.
        execute format(
            'update pgvigil.%1$I as t set is_deleted = true, updated_at = statement_timestamp()'
            ' where t.host_id = $1 and not t.is_deleted and not exists ('
            ' select from jsonb_populate_recordset(null::pgvigil.%1$I, $2) as i where i.%2$I = t.%2$I)',
            v_table.info_table, v_table.resource_column
        )
        using p_host_id, p_inventory -> v_table.key;
    end loop;

    -- That a disk or an interface is gone is an event; that it is back ends it.
    for v_resource in
        select r.resource, r.is_deleted
        from pgvigil.resource as r
        where
            r.host_id = p_host_id
            and r.log_table in ('disk_log', 'network_log')
            and r.updated_at = statement_timestamp()
            and (r.is_deleted or pgvigil.has_open_alert(p_host_id, 'resource_vanished', r.resource))
        order by r.resource
    loop
        perform pgvigil.lock_host(p_host_id);
        perform pgvigil.judge_derived(
            p_host_id, 'resource_vanished', v_resource.resource, v_resource.is_deleted::integer, statement_timestamp()
        );
    end loop;
end
$$;
comment on function pgvigil.record_inventory(integer, jsonb) is 'Brings the four *_info tables of a host up to date; what is not in the inventory any more is marked as deleted.';
