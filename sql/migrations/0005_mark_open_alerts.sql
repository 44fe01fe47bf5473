-- The gate says itself where an alert is open, in a row of its own: agents write those, changes of rules the others, so
-- neither ever waits for the other. One look-up then answers both questions of the cheap first test.

alter table pgvigil.gate add column has_open_alert boolean not null default false;
comment on column pgvigil.gate.has_open_alert is 'True: an alert of the host is or was just now open in this table, everything passes. False: the limits.';
comment on table pgvigil.gate is 'Derived, never edit: what lets a sample through to be judged, which is what makes the triggers cheap. A row of limits holds the first value of each metric that any rule of the host could react to, kept by refresh_gate(); a second row is there while an alert is open, made by open_alert() and removed by sweep_gate().';

alter table pgvigil.gate
drop constraint gate_pkey,
add constraint gate_pkey primary key (host_id, log_table, has_open_alert);

insert into pgvigil.gate (host_id, log_table, above, below, has_open_alert)
select distinct a.host_id, a.log_table, '{}'::double precision[], '{}'::double precision[], true
from pgvigil.alert as a
where a.resolved_at is null and a.log_table is not null;
