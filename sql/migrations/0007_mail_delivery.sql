-- Mail: digests, mailboxes, dead letters that alert, weekly reports.

create table pgvigil.mailbox (
    address text not null,
    next_at timestamptz not null default '-infinity',
    crowd double precision not null default 0,
    claimed_at timestamptz not null default '-infinity',
    last_host_id integer,
    last_alert_id bigint,
    sent_at timestamptz,
    reported_at timestamptz not null default '-infinity',
    weekly_at timestamptz,
    constraint mailbox_pkey primary key (address)
);
comment on table pgvigil.mailbox is 'Kept by claim_mail(), never edit: of each address when it may get its next mail. Its row is the lock that keeps two mailers from mailing the same person at once.';
comment on column pgvigil.mailbox.address is 'Mail address.';
comment on column pgvigil.mailbox.next_at is 'What comes due before waits until then, and goes as one digest if it is digest_from mails or more.';
comment on column pgvigil.mailbox.crowd is 'Mails of late: one more with each, one less with each mail_spacing that passes. The wait is digest_wait times this.';
comment on column pgvigil.mailbox.claimed_at is 'When a mailer last took a mail of it that counted.';
comment on column pgvigil.mailbox.last_host_id is 'Host of that mail.';
comment on column pgvigil.mailbox.last_alert_id is 'Incident of that mail: how it goes on is told without a wait.';
comment on column pgvigil.mailbox.sent_at is 'When the SMTP server last accepted a mail for it.';
comment on column pgvigil.mailbox.reported_at is 'Dead letters until then have raised an alert.';
comment on column pgvigil.mailbox.weekly_at is 'When its last weekly report was written.';


drop function if exists pgvigil.claim_mail(text, integer, timestamptz);
drop function if exists pgvigil.mark_mail_sent(integer, bigint, text, timestamptz);
drop function if exists pgvigil.mark_mail_failed(integer, bigint, text, boolean, timestamptz);
drop function if exists pgvigil.waits_for_another(pgvigil.mail);

alter table pgvigil.mail
add column is_digest boolean not null default false,
add column is_uncertain boolean not null default false,
add column server_reply text,
alter column alert_id drop not null,
drop constraint mail_event_is_known,
add constraint mail_event_is_known
check (event in ('fired', 'escalated', 'eased', 'resolved', 'cancelled', 'reminder', 'flapping', 'weekly')),
add constraint mail_has_alert_unless_weekly check ((alert_id is null) = (event = 'weekly'));
comment on column pgvigil.mail.alert_id is 'The incident; null for a weekly report.';
comment on column pgvigil.mail.event is 'What happened: fired, escalated, eased, resolved, cancelled (its rule is off or gone), reminder or flapping (it came back; more of that is counted, not mailed); or weekly, a report.';
comment on column pgvigil.mail.detail is 'What else there is to say; of a weekly report all of it, as JSON.';
comment on column pgvigil.mail.covered_by is 'This one is told in that mail (a digest, or many hosts that fell silent at once) and shares its fate.';
comment on column pgvigil.mail.is_digest is 'It tells those that it covers, line by line.';
comment on column pgvigil.mail.is_uncertain is 'An attempt ended without an answer: it may have arrived, so it goes out again just as it was, under the same Message-ID.';
comment on column pgvigil.mail.server_reply is 'What the SMTP server said when it accepted it: mostly the number to look for in its log.';

drop index pgvigil.mail_due;
drop index pgvigil.mail_of_alert;
create index mail_waiting on pgvigil.mail (address, due_at, mail_id)
where sent_at is null and failed_at is null and covered_by is null;
create index mail_thread on pgvigil.mail (host_id, alert_id, address, mail_id);
create index mail_claimed on pgvigil.mail (claimed_until) where claimed_until is not null;
create index mail_given_up on pgvigil.mail (failed_at) where failed_at is not null;


alter table pgvigil.recipient add column weekly boolean not null default true;
comment on column pgvigil.recipient.weekly is 'Gets the weekly report, Monday morning in time_zone; none is sent where there is nothing to tell.';


insert into pgvigil.metric (metric, title, unit, direction, description)
values
('mail_undeliverable', 'Undeliverable mail', 'count', 'above', '1 while the mails of a recipient are refused for good.');

insert into pgvigil.threshold (metric, warning, remind_every, managed_by, note)
values
('mail_undeliverable', 1, '1 day', 'default', 'Correct or switch off the recipient: update pgvigil.recipient set address = .. where address = ..; then send again what was refused: select pgvigil.resend_mail(''OLD ADDRESS'', ''NEW ADDRESS'');');

insert into pgvigil.setting (setting, value, kind, description)
values
('digest_wait', '5 seconds', 'interval', 'After a mail its recipient gets the next one this much later, times the number of mails of late; what comes due meanwhile goes as one digest.'),
('mail_spacing', '30 seconds', 'interval', 'In the long run nobody is mailed more often than this.'),
('weekly_report_after', '8 hours', 'interval', 'The weekly report is written so long after Monday 0:00 in the time zone of its recipient.');
update pgvigil.setting
set description = 'So many mails that wait for the same recipient, or so many hosts that fall silent at the same moment, are told in one mail.'
where setting = 'digest_from';
