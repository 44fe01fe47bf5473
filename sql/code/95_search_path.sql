-- Whoever may log in may make types in pg_temp, which an empty search_path asks before all else: a domain named text would
-- run what its check calls, with the rights of the function. So pg_temp comes last, in every function that sets a path.

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select p.oid
        from pg_catalog.pg_proc as p
        where p.pronamespace in ('pgvigil'::regnamespace, 'dashboard'::regnamespace) and p.proconfig @> array['search_path=""']
    loop
        execute format('alter function %s set search_path = pg_catalog, pg_temp', v_function);
    end loop;
end
$$;
