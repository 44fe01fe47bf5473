-- What `pgvigil check` asks of the database: one row for each thing that must be right, with the remedy.

create or replace function pgvigil.check_health(p_migrations jsonb, p_as_of timestamptz)
returns table (name text, is_ok boolean, detail text, remedy text)
language sql
stable
security definer
set search_path = pg_temp
as $$
    with missing as (
        select string_agg(w.key, ', ' order by w.key) as names
        from jsonb_each_text(p_migrations) as w
        where not exists (
            select from pgvigil.schema_migration as s where s.name = w.key and s.sha256 = w.value
        )
    ),

    unknown as (
        select string_agg(s.name, ', ' order by s.name) as names
        from pgvigil.schema_migration as s
        where not p_migrations ? s.name
    ),

    covered as (
        select
            t.log_table,
            (
                select count(*)
                from generate_series(0, 2) as n
                where to_regclass(format(
                    'pgvigil_partition.%I',
                    t.log_table || to_char((p_as_of at time zone 'UTC') + n * interval '1 day', '_YYYYMMDD')
                )) is not null
            ) as days
        from pgvigil.log_table as t
    ),

    waiting as (
        select
            count(*) filter (where m.due_at < p_as_of - interval '5 minutes') as late,
            count(*) as mails,
            p_as_of - min(m.created_at) as age,
            (array_agg(m.last_error order by m.due_at desc) filter (where m.last_error is not null))[1] as error
        from pgvigil.mail as m
        where m.sent_at is null and m.failed_at is null
    ),

    dead as (
        select count(*) as mails, string_agg(distinct m.address, ', ') as addresses
        from pgvigil.mail as m
        left join pgvigil.mailbox as b on b.address = m.address
        where m.failed_at > coalesce(b.sent_at, '-infinity')
    )

    select
        'schema',
        u.names is null and m.names is null,
        coalesce('newer than this program: ' || u.names, 'not up to date: ' || m.names, 'up to date'),
        case
            when u.names is not null then 'install the version of pgvigil that made it'
            else 'pgvigil db migrate'
        end
    from missing as m
    cross join unknown as u
    union all
    select
        'privileges',
        pg_catalog.pg_has_role(session_user, 'pgvigil_mailer', 'usage'),
        format(
            'login %s %s a member of pgvigil_mailer', session_user,
            case when pg_catalog.pg_has_role(session_user, 'pgvigil_mailer', 'usage') then 'is' else 'is not' end
        ),
        format('grant pgvigil_mailer to %I;', session_user)
    union all
    select
        'partitions',
        min(c.days) = 3,
        case min(c.days)
            when 3 then 'today, tomorrow and the day after'
            else 'missing for ' || string_agg(c.log_table, ', ') filter (where c.days < 3)
        end,
        'start the mailer, which makes them; or as owner: select pgvigil.ensure_partitions(now());'
    from covered as c
    union all
    select
        'upkeep',
        coalesce(min(u.done_at) filter (where u.task = 'watch_silence') > p_as_of - interval '1 minute', false)
        and bool_and(u.error is null),
        coalesce(
            string_agg(u.task || ' failed: ' || u.error, '; ' order by u.task) filter (where u.error is not null),
            'last tick ' || date_trunc('second', p_as_of - min(u.done_at) filter (where u.task = 'watch_silence')) || ' ago',
            'no mailer has ever ticked'
        ),
        case
            when bool_or(u.error is not null) then 'mend what it says; it is tried again at each tick'
            else 'start a mailer: silent hosts and reminders are found by its tick'
        end
    from pgvigil.upkeep as u
    union all
    select
        'outbox',
        w.late = 0,
        concat_ws('; ', format('%s waiting', w.mails), 'oldest ' || date_trunc('second', w.age), w.error),
        'start a mailer, or mend what the last error says: select * from pgvigil.delivery where sent_at is null;'
    from waiting as w
    union all
    select
        'dead letters',
        d.mails = 0,
        case d.mails when 0 then 'none' else format('%s given up, to %s', d.mails, d.addresses) end,
        'correct pgvigil.recipient, then: select pgvigil.resend_mail(''OLD ADDRESS'', ''NEW ADDRESS'');'
    from dead as d
    union all
    select
        'recipients',
        count(*) > 0,
        count(*) || ' enabled',
        'insert into pgvigil.recipient (address) values (''you@example.org'');'
    from pgvigil.recipient as r
    where r.is_enabled
$$;
comment on function pgvigil.check_health(jsonb, timestamptz) is 'What must be right for mails to go out, each with its remedy. The first argument names the migrations that the caller knows, with their hashes.';
