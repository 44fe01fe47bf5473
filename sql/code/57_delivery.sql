-- How a mailer claims, sends and marks. A mail is claimed with a lease, sent outside any transaction, then marked: at
-- least once. The first mail to an address goes at once, and the first one that is critical; what else comes due within the
-- wait that follows goes as one digest.

-- A thread arrives in its order, also when its first mail has to wait for a retry.
create or replace view pgvigil.mail_in_turn as
select m.host_id, m.alert_id, m.mail_id, m.address, m.due_at, m.claimed_until
from pgvigil.mail as m
where
    m.sent_at is null
    and m.failed_at is null
    and m.covered_by is null
    and not exists (
        select from pgvigil.mail as e
        where
            e.host_id = m.host_id
            and e.alert_id = m.alert_id
            and e.address = m.address
            and e.mail_id < m.mail_id
            and e.sent_at is null
            and e.failed_at is null
    );
comment on view pgvigil.mail_in_turn is 'The mails that wait and are the next of their thread, due or not yet, in hand or not.';
comment on column pgvigil.mail_in_turn.host_id is 'Key of the mail, with mail_id.';
comment on column pgvigil.mail_in_turn.alert_id is 'The incident: its thread.';
comment on column pgvigil.mail_in_turn.mail_id is 'Number of the mail.';
comment on column pgvigil.mail_in_turn.address is 'To whom.';
comment on column pgvigil.mail_in_turn.due_at is 'When it may go.';
comment on column pgvigil.mail_in_turn.claimed_until is 'Until when a mailer has it in hand.';


create or replace function pgvigil.next_of_mailbox(p_box pgvigil.mailbox, p_as_of timestamptz)
returns pgvigil.mail
language plpgsql
stable
set search_path = pg_temp
as $$
declare
    v_mail pgvigil.mail;
begin
    if p_box.next_at <= p_as_of then
        select m.* into v_mail
        from pgvigil.mail_in_turn as t
        inner join pgvigil.mail as m on m.host_id = t.host_id and m.mail_id = t.mail_id
        where
            t.address = p_box.address
            and t.due_at <= p_as_of
            and (t.claimed_until is null or t.claimed_until <= p_as_of)
        order by t.due_at, t.mail_id
        limit 1;
    else
        -- While others wait, the incident that was told last may go on, and the first that is critical be told.
        select m.* into v_mail
        from (
            select p_box.last_host_id as host_id, p_box.last_alert_id as alert_id, 1 as place
            union all
            select c.host_id, c.alert_id, 2
            from pgvigil.mail as c
            where
                not p_box.is_critical_told
                and c.address = p_box.address
                and c.due_at <= p_as_of
                and c.severity = 'critical'
                and c.event in ('fired', 'escalated')
                and c.sent_at is null
                and c.failed_at is null
                and c.covered_by is null
        ) as i
        inner join pgvigil.mail_in_turn as t on t.host_id = i.host_id and t.alert_id = i.alert_id
        inner join pgvigil.mail as m on m.host_id = t.host_id and m.mail_id = t.mail_id
        where
            t.address = p_box.address
            and t.due_at <= p_as_of
            and (t.claimed_until is null or t.claimed_until <= p_as_of)
        order by i.place, t.due_at, t.mail_id
        limit 1;
    end if;
    return v_mail;
end
$$;
comment on function pgvigil.next_of_mailbox(pgvigil.mailbox, timestamptz) is 'The mail that an address gets next, null if none is due.';


create or replace function pgvigil.form_digest(p_lead pgvigil.mail, p_as_of timestamptz)
returns integer
language plpgsql
set search_path = pg_temp
as $$
declare
    v_mail_ids bigint [];
begin
    v_mail_ids := array(
        select m.mail_id
        from pgvigil.mail as m
        where
            m.address = p_lead.address
            and m.sent_at is null
            and m.failed_at is null
            and m.covered_by is null
            and m.due_at <= p_as_of
            and m.event <> 'weekly'
            -- what may have arrived already stays as it was
            and m.claimed_until is null
            and not m.is_uncertain
            and not exists (
                select from pgvigil.mail as e
                where
                    e.host_id = m.host_id
                    and e.alert_id = m.alert_id
                    and e.address = m.address
                    and e.mail_id < m.mail_id
                    and e.sent_at is null
                    and e.failed_at is null
                    and (
                        e.due_at > p_as_of
                        or e.claimed_until is not null
                        or e.is_uncertain
                        or e.covered_by is not null
                    )
            )
    );
    if not p_lead.mail_id = any(v_mail_ids) then
        return 1;
    elsif cardinality(v_mail_ids) >= pgvigil.setting('digest_from')::integer then
        update pgvigil.mail as m
        set covered_by = p_lead.mail_id
        where
            m.mail_id <> p_lead.mail_id
            and m.address = p_lead.address
            and m.sent_at is null
            and m.failed_at is null
            and (m.covered_by is null and m.mail_id = any(v_mail_ids) or m.covered_by = any(v_mail_ids));
        update pgvigil.mail as m
        set is_digest = true
        where m.host_id = p_lead.host_id and m.mail_id = p_lead.mail_id;
        return 1;
    end if;
    return cardinality(v_mail_ids);
end
$$;
comment on function pgvigil.form_digest(pgvigil.mail, timestamptz) is 'Puts all that waits for an address under one mail if it is digest_from or more; returns how many mails to send there are then.';


create or replace function pgvigil.claim_next(p_address text, p_mailer text, p_as_of timestamptz)
returns pgvigil.mail
language plpgsql
set search_path = pg_temp
as $$
declare
    v_box pgvigil.mailbox;
    v_mail pgvigil.mail;
    v_is_early boolean;
    v_is_critical boolean;
    v_left integer := 1;
begin
    insert into pgvigil.mailbox (address) values (p_address) on conflict do nothing;
    select b.* into v_box from pgvigil.mailbox as b where b.address = p_address for update skip locked;
    if not found then
        -- another mailer is at it
        return null;
    end if;
    if v_box.claimed_at > p_as_of then
        -- the clock was set back
        v_box.next_at := '-infinity';
    end if;
    v_is_early := v_box.next_at > p_as_of;
    v_mail := pgvigil.next_of_mailbox(v_box, p_as_of);
    if v_mail.mail_id is null then
        return null;
    end if;
    if v_mail.due_at < v_box.next_at and not v_is_early then
        v_left := pgvigil.form_digest(v_mail, p_as_of);
    end if;

    update pgvigil.mail as m
    set
        claimed_by = p_mailer,
        claimed_until = p_as_of + pgvigil.setting('mail_lease')::interval,
        attempts = m.attempts + 1,
        -- whoever had it in hand until its lease was over may have sent it
        is_uncertain = m.is_uncertain or m.claimed_until is not null
    where m.host_id = v_mail.host_id and m.mail_id = v_mail.mail_id
    returning m.* into v_mail;
    v_is_critical := exists (
        select from pgvigil.mail as m
        where
            (m.host_id = v_mail.host_id and m.mail_id = v_mail.mail_id or m.covered_by = v_mail.mail_id)
            and m.severity = 'critical'
            and m.event in ('fired', 'escalated')
    );
    if v_is_early and (v_mail.host_id, v_mail.alert_id) = (v_box.last_host_id, v_box.last_alert_id) then
        update pgvigil.mailbox as b
        set is_critical_told = b.is_critical_told or v_is_critical
        where b.address = p_address;
        return v_mail;
    end if;
    v_box.crowd := 1 + greatest(
        0,
        v_box.crowd - coalesce(
            extract(epoch from p_as_of - nullif(v_box.claimed_at, '-infinity'))
            / extract(epoch from pgvigil.setting('mail_spacing')::interval),
            0
        )
    );
    update pgvigil.mailbox as b
    set
        crowd = v_box.crowd,
        claimed_at = p_as_of,
        last_host_id = v_mail.host_id,
        last_alert_id = v_mail.alert_id,
        -- what came early did so for something critical, be it the mail before that one in its thread
        is_critical_told = v_is_critical or v_is_early,
        next_at = p_as_of + case
            -- too few for a digest: the others follow at once
            when v_left > 1 then interval '0'
            else pgvigil.setting('digest_wait')::interval * v_box.crowd
        end
    where b.address = p_address;
    return v_mail;
end
$$;
comment on function pgvigil.claim_next(text, text, timestamptz) is 'Takes in hand what an address gets next: a mail, or a digest of all that waited; null if nothing is due or another mailer is at it.';


create or replace function pgvigil.waiting_addresses()
returns table (address text, due_at timestamptz)
language sql
stable
set search_path = pg_temp
as $$
    -- From one address to the next in the index: as many steps as there are addresses, however many mails wait.
    with recursive waiting as (
        (
            select m.address
            from pgvigil.mail as m
            where m.sent_at is null and m.failed_at is null and m.covered_by is null
            order by m.address
            limit 1
        )
        union all
        select (
            select m.address
            from pgvigil.mail as m
            where m.sent_at is null and m.failed_at is null and m.covered_by is null and m.address > w.address
            order by m.address
            limit 1
        )
        from waiting as w
        where w.address is not null
    )

    select w.address, f.due_at
    from waiting as w
    cross join lateral (
        select m.due_at
        from pgvigil.mail as m
        where m.address = w.address and m.sent_at is null and m.failed_at is null and m.covered_by is null
        order by m.due_at, m.mail_id
        limit 1
    ) as f
$$;
comment on function pgvigil.waiting_addresses() is 'The addresses that mails wait for, each with the earliest time at which one is due.';


create or replace function pgvigil.claim_mail(p_mailer text, p_limit integer, p_as_of timestamptz)
returns setof pgvigil.mail_text
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_address text;
    v_mail pgvigil.mail;
    v_count integer := 0;
begin
    for v_address in
        select w.address from pgvigil.waiting_addresses() as w where w.due_at <= p_as_of order by w.due_at, w.address
    loop
        exit when v_count >= p_limit;
        v_mail := pgvigil.claim_next(v_address, p_mailer, p_as_of);
        continue when v_mail.mail_id is null;
        v_count := v_count + 1;
        return next pgvigil.mail_text_of(v_mail);
    end loop;
end
$$;
comment on function pgvigil.claim_mail(text, integer, timestamptz) is 'Takes due mails in hand for as long as mail_lease, at most one per address, with all that their texts need. Another mailer gets others.';


create or replace function pgvigil.mark_mail_sent(
    p_host_id integer, p_mail_id bigint, p_message_id text, p_server_reply text, p_as_of timestamptz
)
returns void
language plpgsql
security definer
set search_path = pg_temp
as $$
begin
    update pgvigil.mail as m
    set
        sent_at = p_as_of,
        failed_at = null,
        message_id = p_message_id,
        server_reply = p_server_reply,
        last_error = null,
        claimed_until = null
    where (m.host_id = p_host_id and m.mail_id = p_mail_id or m.covered_by = p_mail_id) and m.sent_at is null;
    update pgvigil.mailbox as b
    set sent_at = p_as_of
    from pgvigil.mail as m
    where m.host_id = p_host_id and m.mail_id = p_mail_id and b.address = m.address;
end
$$;
comment on function pgvigil.mark_mail_sent(integer, bigint, text, text, timestamptz) is 'Notes that the SMTP server accepted a mail, and with it all that it covers.';


create or replace function pgvigil.mark_mail_failed(
    p_host_id integer, p_mail_id bigint, p_error text, p_about text, p_is_permanent boolean, p_as_of timestamptz
)
returns timestamptz
language plpgsql
security definer
set search_path = pg_temp
as $$
declare
    v_mail pgvigil.mail;
    v_retry_at timestamptz;
begin
    select m.* into v_mail from pgvigil.mail as m where m.host_id = p_host_id and m.mail_id = p_mail_id;
    -- doubled each time, and spread, so that mailers do not come back in step
    v_retry_at := p_as_of + (0.5 + 0.5 * random()) * least(
        pgvigil.setting('mail_retry_first')::interval * pow(2, greatest(least(v_mail.attempts, 20), 1) - 1),
        pgvigil.setting('mail_retry_longest')::interval
    );
    update pgvigil.mail as m
    set
        last_error = p_error,
        claimed_until = null,
        failed_at = case when p_is_permanent then p_as_of end,
        is_uncertain = m.is_uncertain or p_about = 'unanswered',
        due_at = v_retry_at
    where (m.host_id = p_host_id and m.mail_id = p_mail_id or m.covered_by = p_mail_id)
        -- a mailer that lost its lease and comes back late changes nothing that was settled meanwhile
        and m.sent_at is null
        and m.failed_at is null;
    if not found or p_is_permanent then
        return null;
    end if;
    if p_about = 'recipient' then
        -- greylisted, over quota ..: it would be said of the others too
        update pgvigil.mailbox as b
        set next_at = greatest(b.next_at, v_retry_at)
        where b.address = v_mail.address;
    end if;
    return v_retry_at;
end
$$;
comment on function pgvigil.mark_mail_failed(integer, bigint, text, text, boolean, timestamptz) is 'Notes why a mail was not accepted: about the server, the recipient, the mail, or unanswered (it may have arrived). Returns when it is tried again, null if it is given up.';


create or replace function pgvigil.next_mail_due(p_as_of timestamptz)
returns double precision
language sql
stable
security definer
set search_path = pg_temp
as $$
    select extract(epoch from min(n.at) - p_as_of)
    from (
        select case
            when b.next_at > p_as_of and pgvigil.next_of_mailbox(b, p_as_of) is null then greatest(b.next_at, w.due_at)
            else (
                select t.due_at
                from pgvigil.mail_in_turn as t
                where t.address = w.address and (t.claimed_until is null or t.claimed_until <= p_as_of)
                order by t.due_at, t.mail_id
                limit 1
            )
        end as at
        from pgvigil.waiting_addresses() as w
        left join pgvigil.mailbox as b on b.address = w.address
        union all
        select m.claimed_until
        from pgvigil.mail as m
        where m.claimed_until is not null and m.sent_at is null and m.failed_at is null
    ) as n
$$;
comment on function pgvigil.next_mail_due(timestamptz) is 'Seconds until a mail may be claimed (0 or below: now), null if none waits: how long a mailer may sleep.';
