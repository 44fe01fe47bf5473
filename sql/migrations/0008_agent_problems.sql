-- What goes wrong in the agents themselves is stored beside their samples; agents tell groups and labels.

create table pgvigil.agent_problem (
    host_id integer not null,
    problem text not null,
    subject text not null,
    detail text not null,
    occurrences bigint not null,
    started_at timestamptz not null,
    last_at timestamptz not null,
    constraint agent_problem_pkey primary key (host_id, problem, subject),
    constraint agent_problem_host_exists foreign key (host_id) references pgvigil.host,
    constraint agent_problem_occurred check (occurrences > 0),
    constraint agent_problem_ends_after_it_started check (last_at >= started_at)
);
comment on table pgvigil.agent_problem is 'The last time that each thing went wrong in an agent: a collector that failed, a mount that hung, samples that were dropped or refused.';
comment on column pgvigil.agent_problem.host_id is 'The host of the agent.';
comment on column pgvigil.agent_problem.problem is 'collector_failed, inventory_failed, mount_hangs, sample_refused, samples_dropped.';
comment on column pgvigil.agent_problem.subject is 'What it happened to: a collector, a mount point, the spool.';
comment on column pgvigil.agent_problem.detail is 'The error in words.';
comment on column pgvigil.agent_problem.occurrences is 'How often since started_at: beats, or samples that were lost.';
comment on column pgvigil.agent_problem.started_at is 'When it began, by the clock of the host.';
comment on column pgvigil.agent_problem.last_at is 'When it happened last, by the clock of the host; it is over when that is some beats ago.';

-- It takes labels now.
drop function if exists pgvigil.register_host(text, interval, text, text[]);
