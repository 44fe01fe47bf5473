-- What goes wrong in an agent is worth a mail: a collector that fails is a blind spot.

insert into pgvigil.metric (metric, title, unit, direction, description)
values
('agent_problem', 'Agent problem', 'count', 'above', '1 while something goes wrong in the agent, a collector that fails, a mount that hangs: its values are missing.');

insert into pgvigil.threshold (metric, warning, critical, hold, remind_every, managed_by, note)
values
('agent_problem', 1, null, '5 minutes', '1 day', 'default', 'What it could not measure is missing, the rest is stored. select * from pgvigil.agent_problem; then, on the host: journalctl -u pgvigil-agent. A mount that hangs: its server, or leave it out with --mount-points-exclude.');
