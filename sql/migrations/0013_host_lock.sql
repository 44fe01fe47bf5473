-- What one login does must not stop the others: ends to what a host says of itself, and locks that only the owner can take.

-- Multiplied by gap_intervals it must stay an interval.
update pgvigil.host
set sample_interval = '1 day'
where sample_interval > interval '1 day';
-- From here on nobody registers, so that every host has its lock.
alter table pgvigil.host
add constraint host_sample_interval_is_a_day_at_most check (sample_interval <= interval '1 day'),
add constraint host_groups_are_64_kib_at_most check (octet_length(array_to_string(groups, ',')) <= 65536),
add constraint host_labels_are_64_kib_at_most check (octet_length(labels::text) <= 65536),
add constraint host_agent_version_is_short check (length(agent_version) <= 100);


create table pgvigil.host_lock (
    host_id integer not null,
    constraint host_lock_pkey primary key (host_id)
);
comment on table pgvigil.host_lock is 'A row to lock for each host: whoever has it judges that host. Not advisory locks, which every login can take.';
comment on column pgvigil.host_lock.host_id is 'The host; 0 = the rules.';

insert into pgvigil.host_lock (host_id)
select 0
union all
select h.host_id from pgvigil.host as h;

update pgvigil.setting
set description = 'How long a query or a transaction of a login of pgvigil_reader or pgvigil_agent may take, whatever it sets for itself.'
where setting = 'reader_limit';
