-- A rollout that failed is an incident of its host.

insert into pgvigil.metric (metric, title, unit, direction, description)
values
('rollout_failed', 'Failed rollout', 'count', 'above', '1 after a new release of a service did not do its work, until one does.');

insert into pgvigil.threshold (metric, warning, critical, hold, remind_every, managed_by, note)
values
('rollout_failed', 1, null, '0', '1 day', 'default', 'The release that ran before runs again, and the host is silenced for an hour: select * from pgvigil.silence where ends_at > now(); On the host: journalctl -u pgvigil-agent -n 100. Then mend the release and run the playbook again.');
