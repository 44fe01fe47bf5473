-- The only file that rings. The table is the truth, the bell only wakes a mailer: empty payload, once per statement that
-- really wrote a mail. NOTIFY takes a lock of the whole instance at commit, so it never happens for a mere sample.

create or replace function pgvigil.ring()
returns void
language plpgsql
set search_path = pg_temp
as $$
begin
    -- Every login may notify, and hold up the queue; where that is full the commit of the sample would fail.
    if pgvigil.setting('doorbell')::boolean and pg_notification_queue_usage() < 0.5 then
        perform pg_notify('pgvigil_mail', '');
    end if;
end
$$;
comment on function pgvigil.ring() is 'Wakes the mailers at commit, unless the queue of notifications fills up: then they find out when they poll.';


create or replace function pgvigil.tg_mail__ring()
returns trigger
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    if exists (select from new_rows) then
        perform pgvigil.ring();
    end if;
    return null;
end
$$;
comment on function pgvigil.tg_mail__ring() is 'Trigger of pgvigil.mail: wakes the mailers when mails were written.';

create or replace trigger _900_ring
after insert on pgvigil.mail
referencing new table as new_rows
for each statement execute function pgvigil.tg_mail__ring();
