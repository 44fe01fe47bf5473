-- What is critical does not wait behind warnings.

alter table pgvigil.mailbox add column is_critical_told boolean not null default false;
comment on column pgvigil.mailbox.is_critical_told is 'Something critical was told when its wait began, or since: what else is critical waits with the others.';

create index mail_critical_waiting on pgvigil.mail (address, due_at)
where
severity = 'critical'
and event in ('fired', 'escalated')
and sent_at is null
and failed_at is null
and covered_by is null;
