-- One login per container, each with the rights of one group role, and the first recipient.
\set agent_password `cat /run/secrets/postgres/agent`
\set mailer_password `cat /run/secrets/postgres/mailer`
\set grafana_password `cat /run/secrets/postgres/grafana`
\getenv recipient PGVIGIL_RECIPIENT
select format('create role %I login in role %I', login, group_role)
from (
    values
    ('pgvigil_agent_local', 'pgvigil_agent'),
    ('pgvigil_mailer_local', 'pgvigil_mailer'),
    ('pgvigil_grafana', 'pgvigil_reader')
) as l (login, group_role)
where not exists (select from pg_catalog.pg_roles where rolname = login) \gexec
alter role pgvigil_agent_local password :'agent_password';
alter role pgvigil_mailer_local password :'mailer_password';
alter role pgvigil_grafana password :'grafana_password' connection limit 20;
insert into pgvigil.recipient (address)
select :'recipient'
where not exists (select from pgvigil.recipient);
