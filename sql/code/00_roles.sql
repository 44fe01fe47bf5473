-- The group roles. Nobody logs in as one of them: the rollout makes logins and grants them a group.
-- Roles belong to the whole cluster, so they are made only where missing; what they may do is in 90_grants.sql.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['pgvigil_agent', 'pgvigil_mailer', 'pgvigil_operator', 'pgvigil_reader']
    loop
        if not exists (select from pg_catalog.pg_roles as r where r.rolname = v_role) then
            execute pg_catalog.format('create role %I nologin', v_role);
        end if;
    end loop;
exception
    -- Another database of the cluster is being migrated at the same moment.
    when duplicate_object or unique_violation then null;
end
$$;
