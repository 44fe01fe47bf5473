-- The world of docs/tuning.md: four hosts, a week of samples, and the morning of Monday, 2026-03-09. "Now" is 10:00 UTC.
-- Every time is fixed. What the server stamps by its own clock is set to the time of the sample at the end.

select pgvigil.ensure_partitions('2026-03-03');
select pgvigil.ensure_partitions('2026-03-09');

select pgvigil.register_host(host_name, '1 minute', '0.1.0', groups::text[])
from (values ('web1', '{web}'), ('web2', '{web}'), ('db1', '{db}'), ('kim-laptop', '{laptop}')) as h (host_name, groups);

select
    pgvigil.record_inventory(
        h.host_id,
        jsonb_build_object(
            'cpu', '[{"cpu_name": "cpu-total", "cpu_core": 4}]'::jsonb,
            'memory', '[{"memory_name": "memory", "physical_memory": 17179869184}]'::jsonb,
            'disk', (
                select jsonb_agg(jsonb_build_object('disk_name', d.name, 'device', 'sda1', 'size', 500 * 1024::bigint ^ 3))
                from unnest(case h.host_name when 'web1' then array['/', '/data'] else array['/', '/srv/db'] end) as d (name)
            ),
            'network', '[{"network_interface": "eth0"}]'::jsonb
        )
    )
from pgvigil.host as h;

-- The inventory of Ansible brought one rule of its own.
select * from pgvigil.sync_thresholds(
    '[{"metric": "memory_usage", "host_group": "web", "resource": "memory", "warning": 92, "critical": 97, "hold": "5 minutes"}]'
);

-- CPU of web1 for a week and a morning: a backup each night from 01:00 to 01:20, and three minutes of work at 09:02, 13:02
-- and 17:02. Nobody is mailed of the week before, for there is no recipient yet.
do $$
declare
    v_at timestamptz;
begin
    for v_at in select generate_series('2026-03-02 00:00', '2026-03-08 23:00', interval '1 hour')
    loop
        insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage)
        select
            s.at, v_at + interval '1 hour', h.host_id, 'cpu-total',
            case
                when s.at::time >= '01:00' and s.at::time < '01:20' then 92
                when extract(hour from s.at) in (9, 13, 17) and extract(minute from s.at) between 2 and 4 then 96.5
                else 20 + (extract(epoch from s.at)::bigint / 60) % 80 * 0.5
            end
        from generate_series(v_at, v_at + interval '59 minutes', interval '1 minute') as s (at)
        cross join pgvigil.host as h
        where h.host_name = 'web1';
    end loop;
end
$$;

insert into pgvigil.recipient (address, host_group, time_zone)
values ('ops@example.org', null, 'Asia/Seoul'), ('dba@example.org', 'db', 'Europe/Berlin');

-- The morning.
do $$
declare
    v_at timestamptz;
begin
    for v_at in select generate_series('2026-03-09 00:00', '2026-03-09 09:59', interval '1 minute')
    loop
        insert into pgvigil.cpu_log (created_at, updated_at, host_id, cpu_name, cpu_usage)
        select
            v_at, v_at, h.host_id, 'cpu-total',
            case
                when h.host_name = 'web1' and v_at::time >= '01:00' and v_at::time < '01:20' then 92
                when h.host_name = 'web1' and v_at::time >= '09:02' and v_at::time < '09:05' then 96.5
                when h.host_name = 'db1' and v_at::time >= '09:30' then 99
                else 20 + (extract(epoch from v_at)::bigint / 60) % 80 * 0.5
            end
        from pgvigil.host as h
        where h.host_name <> 'kim-laptop';

        -- /data of web1 is over its limit since 09:40; /srv/db of db1 grows by 4 GiB an hour.
        insert into pgvigil.disk_log (created_at, updated_at, host_id, disk_name, disk_usage, io_usage, used_bytes, available_bytes)
        select
            v_at, v_at, h.host_id, d.disk_name,
            case when h.host_name = 'db1' then 100 * d.used / 500 when v_at::time >= '09:40' then 88 else 84 end,
            10, d.used * 1024 ^ 3, (500 - d.used) * 1024 ^ 3
        from pgvigil.host as h
        inner join (
            values ('web1', '/data', 420), ('db1', '/srv/db', 340 + extract(epoch from v_at::time) / 900 + extract(minute from v_at)::integer % 7 * 0.25)
        ) as d (host_name, disk_name, used) on d.host_name = h.host_name;
    end loop;
end
$$;

-- A mailer works on what is due for twenty seconds: one address is unknown, one server says to come back later. One try
-- of each, whatever the random part of the wait.
update pgvigil.setting set value = '1 hour' where setting in ('mail_retry_first', 'mail_retry_longest');
do $$
declare
    v_mail record;
    v_at timestamptz;
begin
    for v_at in select generate_series(timestamptz '2026-03-09 09:50', '2026-03-09 09:50:20', interval '1 second')
    loop
        for v_mail in select c.* from pgvigil.claim_mail('mail1/4711', 10, v_at) as c
        loop
            if v_mail.address = 'dba@example.org' then
                perform pgvigil.mark_mail_failed(
                    v_mail.host_id, v_mail.mail_id, '550 5.1.1 user unknown', 'recipient', true, v_at
                );
            elsif v_mail.metric = 'disk_usage' then
                perform pgvigil.mark_mail_failed(
                    v_mail.host_id, v_mail.mail_id, '451 4.7.1 greylisted', 'recipient', false, v_at
                );
            else
                perform pgvigil.mark_mail_sent(
                    v_mail.host_id, v_mail.mail_id, '<1@example.org>', '250 OK', v_mail.sampled_at
                );
            end if;
        end loop;
    end loop;
end
$$;
update pgvigil.mail set created_at = sampled_at;
