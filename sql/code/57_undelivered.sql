-- Mails that do not arrive: who got what, what was given up, and who hears of that.

create or replace function pgvigil.watch_mail(p_as_of timestamptz)
returns void
language plpgsql
set search_path = pg_temp
as $$
declare
    v_dead record;
begin
    for v_dead in
        select
            m.address,
            coalesce(
                (
                    select a.host_id from pgvigil.alert as a
                    where a.metric = 'mail_undeliverable' and a.resource = m.address and a.resolved_at is null
                ),
                (array_agg(m.host_id order by m.failed_at desc))[1]
            ) as host_id,
            count(*) as mails,
            (array_agg(m.last_error order by m.failed_at desc))[1] as error
        from pgvigil.mail as m
        left join pgvigil.mailbox as b on b.address = m.address
        where
            m.failed_at > p_as_of - interval '30 days'
            and m.failed_at > greatest(b.reported_at, coalesce(b.sent_at, '-infinity'))
            and exists (select from pgvigil.recipient as r where r.address = m.address and r.is_enabled)
        group by m.address
    loop
        -- whoever holds the lock is storing a sample of this host right now: at the next tick
        continue when not pgvigil.try_lock_host(v_dead.host_id);
        perform pgvigil.judge_derived(
            v_dead.host_id, 'mail_undeliverable', v_dead.address, 1, p_as_of,
            format('%s (%s %s)', v_dead.error, v_dead.mails, case v_dead.mails when 1 then 'mail' else 'mails' end)
        );
        insert into pgvigil.mailbox as b (address, reported_at) values (v_dead.address, p_as_of)
        on conflict (address) do update set reported_at = excluded.reported_at;
    end loop;

    for v_dead in
        select a.host_id, a.resource as address
        from pgvigil.alert as a
        where
            a.metric = 'mail_undeliverable'
            and a.resolved_at is null
            and (
                exists (select from pgvigil.mailbox as b where b.address = a.resource and b.sent_at > a.judged_at)
                or not exists (select from pgvigil.recipient as r where r.address = a.resource and r.is_enabled)
            )
    loop
        continue when not pgvigil.try_lock_host(v_dead.host_id);
        perform pgvigil.judge_derived(v_dead.host_id, 'mail_undeliverable', v_dead.address, 0, p_as_of);
    end loop;
end
$$;
comment on function pgvigil.watch_mail(timestamptz) is 'Raises an alert for each recipient whose mails were given up, which the others get; ends it when one arrives again or the recipient is gone.';


create or replace function pgvigil.resend_mail(p_address text, p_to text default null)
returns bigint
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_count bigint;
begin
    if p_to is not null and not exists (select from pgvigil.recipient as r where r.address = p_to and r.is_enabled) then
        raise exception '% is no recipient', p_to
            using hint = 'First insert it into pgvigil.recipient, or correct the address there.';
    end if;
    update pgvigil.mail as m
    set failed_at = null, due_at = statement_timestamp(), address = coalesce(p_to, m.address)
    where m.address = p_address and m.failed_at is not null;
    get diagnostics v_count = row_count;
    -- Nobody inserted a row, so the trigger has not rung.
    if v_count > 0 then
        perform pgvigil.ring();
    end if;
    return v_count;
end
$$;
comment on function pgvigil.resend_mail(text, text) is 'Has the mails to an address that were given up tried again, to another address if one is given; returns how many.';


create or replace view pgvigil.delivery as
select
    m.created_at as written_at,
    m.address,
    case
        when m.sent_at is not null then 'sent'
        when m.failed_at is not null then 'given up'
        when m.covered_by is not null then 'waits in a digest'
        when m.claimed_until > statement_timestamp() then 'in hand'
        else 'waits'
    end as state,
    m.event,
    m.severity,
    h.host_name,
    a.metric,
    a.resource,
    m.value,
    m.sampled_at,
    m.sent_at,
    extract(epoch from m.sent_at - m.created_at)::double precision as delay_seconds,
    m.attempts,
    m.due_at,
    m.message_id,
    m.server_reply,
    m.last_error,
    m.covered_by,
    m.host_id,
    m.alert_id,
    m.mail_id
from pgvigil.mail as m
inner join pgvigil.host as h on h.host_id = m.host_id
left join pgvigil.alert as a on a.host_id = m.host_id and a.alert_id = m.alert_id;
comment on view pgvigil.delivery is 'The delivery log: who was told what, when, by which mail, and because of which sample.';
comment on column pgvigil.delivery.written_at is 'When it was due first: the transaction of the sample.';
comment on column pgvigil.delivery.address is 'To whom.';
comment on column pgvigil.delivery.state is 'sent, waits, waits in a digest, in hand (of a mailer), or given up (the server refused it for good).';
comment on column pgvigil.delivery.event is 'What happened.';
comment on column pgvigil.delivery.severity is 'Severity then.';
comment on column pgvigil.delivery.host_name is 'The host.';
comment on column pgvigil.delivery.metric is 'What was judged; null for a weekly report.';
comment on column pgvigil.delivery.resource is 'On which CPU, memory, disk or interface.';
comment on column pgvigil.delivery.value is 'Value of the sample that caused it.';
comment on column pgvigil.delivery.sampled_at is 'That sample: created_at of its row.';
comment on column pgvigil.delivery.sent_at is 'When the SMTP server accepted it.';
comment on column pgvigil.delivery.delay_seconds is 'From the one to the other (seconds).';
comment on column pgvigil.delivery.attempts is 'How often it was tried.';
comment on column pgvigil.delivery.due_at is 'When it is, or was, to be tried.';
comment on column pgvigil.delivery.message_id is 'Message-ID, to look for in a mail program.';
comment on column pgvigil.delivery.server_reply is 'What the SMTP server said, to look for in its log.';
comment on column pgvigil.delivery.last_error is 'Why the last attempt failed.';
comment on column pgvigil.delivery.covered_by is 'The mail (mail_id) that told it: a digest.';
comment on column pgvigil.delivery.host_id is 'Key of the host.';
comment on column pgvigil.delivery.alert_id is 'Number of the incident.';
comment on column pgvigil.delivery.mail_id is 'Number of the mail.';
