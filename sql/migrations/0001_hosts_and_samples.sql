-- Hosts, what they consist of, and what was measured on them.
--
-- The eight *_info and *_log tables keep the names and columns of the original specification. Log tables are keyed by
-- (host_id, created_at, resource): one index serves look-ups, replays (on conflict do nothing) and sharding by host.

create schema pgvigil_partition;
comment on schema pgvigil_partition is 'The daily partitions of pgvigil.*_log, kept apart so that \dt pgvigil.* stays readable. Never insert here: only the parent tables judge their rows.';


create table pgvigil.host (
    host_id integer generated always as identity,
    host_name text not null,
    groups text[] not null default '{}',
    labels jsonb not null default '{}',
    sample_interval interval not null default '10 seconds',
    expected boolean not null default true,
    login_role text,
    agent_version text,
    last_seen_at timestamptz,
    is_deleted boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint host_pkey primary key (host_id),
    constraint host_name_is_unique unique (host_name),
    constraint host_name_is_printable check (host_name ~ '^[^[:cntrl:][:space:]]{1,253}$'),
    constraint host_labels_are_an_object check (jsonb_typeof(labels) = 'object'),
    constraint host_sample_interval_is_positive check (sample_interval > interval '0')
);
comment on table pgvigil.host is 'One row per monitored host, made by register_host() or by the rollout.';
comment on column pgvigil.host.host_id is 'Key of everything that belongs to the host, and the way to shard.';
comment on column pgvigil.host.host_name is 'Name as the host itself reports it; thresholds refer to it.';
comment on column pgvigil.host.groups is 'Groups from the inventory; thresholds and recipients can name one.';
comment on column pgvigil.host.labels is 'Free key/value pairs, for people and dashboards.';
comment on column pgvigil.host.sample_interval is 'How often its agent samples; three missed beats are a gap.';
comment on column pgvigil.host.expected is 'Whether silence of this host is worth a mail.';
comment on column pgvigil.host.login_role is 'Database role whose rows count as this host; null = any agent login.';
comment on column pgvigil.host.agent_version is 'Version its agent reported when it registered.';
comment on column pgvigil.host.last_seen_at is 'When its agent last registered or tick() last found a sample, by the server''s clock.';
comment on column pgvigil.host.is_deleted is 'Retired: keeps its history, is no longer watched.';
comment on column pgvigil.host.created_at is 'First registration.';
comment on column pgvigil.host.updated_at is 'Last change of this row.';


create table pgvigil.cpu_info (
    id uuid not null default gen_random_uuid(),
    host_id integer not null,
    cpu_name text not null,
    cpu_core integer not null,
    physical_cores integer,
    model_name text,
    max_mhz real,
    is_deleted boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint cpu_info_pkey primary key (host_id, cpu_name),
    constraint cpu_info_id_is_unique unique (host_id, id),
    constraint cpu_info_host_exists foreign key (host_id) references pgvigil.host
);
comment on table pgvigil.cpu_info is 'The CPUs of each host: cpu-total, and cpu0.. where per-core sampling is on.';
comment on column pgvigil.cpu_info.id is 'Stable identifier for links from outside.';
comment on column pgvigil.cpu_info.host_id is 'The host it belongs to.';
comment on column pgvigil.cpu_info.cpu_name is 'cpu-total for all cores together, or cpu0, cpu1, ..';
comment on column pgvigil.cpu_info.cpu_core is 'Number of logical cores behind the name.';
comment on column pgvigil.cpu_info.physical_cores is 'Number of physical cores, null where the kernel does not tell.';
comment on column pgvigil.cpu_info.model_name is 'Model as the kernel names it.';
comment on column pgvigil.cpu_info.max_mhz is 'Highest clock rate (MHz), null where the kernel does not tell.';
comment on column pgvigil.cpu_info.is_deleted is 'Gone from the host; the row stays for its history.';
comment on column pgvigil.cpu_info.created_at is 'First seen.';
comment on column pgvigil.cpu_info.updated_at is 'Last change.';


create table pgvigil.memory_info (
    id uuid not null default gen_random_uuid(),
    host_id integer not null,
    memory_name text not null,
    physical_memory bigint not null,
    is_deleted boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint memory_info_pkey primary key (host_id, memory_name),
    constraint memory_info_id_is_unique unique (host_id, id),
    constraint memory_info_host_exists foreign key (host_id) references pgvigil.host
);
comment on table pgvigil.memory_info is 'The memories of each host: memory and, where there is any, swap.';
comment on column pgvigil.memory_info.id is 'Stable identifier for links from outside.';
comment on column pgvigil.memory_info.host_id is 'The host it belongs to.';
comment on column pgvigil.memory_info.memory_name is 'memory or swap.';
comment on column pgvigil.memory_info.physical_memory is 'Size (bytes).';
comment on column pgvigil.memory_info.is_deleted is 'Gone from the host (swap switched off); the row stays for its history.';
comment on column pgvigil.memory_info.created_at is 'First seen.';
comment on column pgvigil.memory_info.updated_at is 'Last change.';


create table pgvigil.disk_info (
    id uuid not null default gen_random_uuid(),
    host_id integer not null,
    disk_name text not null,
    device text not null,
    file_system text,
    mounted text,
    size bigint not null,
    is_deleted boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint disk_info_pkey primary key (host_id, disk_name),
    constraint disk_info_id_is_unique unique (host_id, id),
    constraint disk_info_host_exists foreign key (host_id) references pgvigil.host
);
comment on table pgvigil.disk_info is 'The disks of each host: mounted file systems, and devices from which nothing is mounted.';
comment on column pgvigil.disk_info.id is 'Stable identifier for links from outside.';
comment on column pgvigil.disk_info.host_id is 'The host it belongs to.';
comment on column pgvigil.disk_info.disk_name is 'Mount point, or the device''s name where nothing is mounted: mount points survive a reboot, sda and sdb swap.';
comment on column pgvigil.disk_info.device is 'Device below, as in the mount table, without /dev/.';
comment on column pgvigil.disk_info.file_system is 'Type of the file system, null for a bare device.';
comment on column pgvigil.disk_info.mounted is 'Mount point, null for a bare device.';
comment on column pgvigil.disk_info.size is 'Size (bytes).';
comment on column pgvigil.disk_info.is_deleted is 'Unmounted or unplugged; the row stays for its history.';
comment on column pgvigil.disk_info.created_at is 'First seen.';
comment on column pgvigil.disk_info.updated_at is 'Last change.';


create table pgvigil.network_info (
    id uuid not null default gen_random_uuid(),
    host_id integer not null,
    network_interface text not null,
    link_bits_per_second bigint,
    mac_address text,
    is_deleted boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint network_info_pkey primary key (host_id, network_interface),
    constraint network_info_id_is_unique unique (host_id, id),
    constraint network_info_host_exists foreign key (host_id) references pgvigil.host
);
comment on table pgvigil.network_info is 'The network interfaces of each host.';
comment on column pgvigil.network_info.id is 'Stable identifier for links from outside.';
comment on column pgvigil.network_info.host_id is 'The host it belongs to.';
comment on column pgvigil.network_info.network_interface is 'Name of the interface.';
comment on column pgvigil.network_info.link_bits_per_second is 'Speed of the link (bits per second), null where the kernel does not tell (virtual interfaces).';
comment on column pgvigil.network_info.mac_address is 'Hardware address.';
comment on column pgvigil.network_info.is_deleted is 'Gone from the host; the row stays for its history.';
comment on column pgvigil.network_info.created_at is 'First seen.';
comment on column pgvigil.network_info.updated_at is 'Last change.';


-- Wide columns first, so that no byte is lost to alignment. No foreign key to host: it would lock the host's row for
-- each of the 12 rows of a sample.
create table pgvigil.cpu_log (
    created_at timestamptz not null,
    updated_at timestamptz not null default statement_timestamp(),
    host_id integer not null,
    cpu_usage real not null,
    user_usage real,
    system_usage real,
    iowait_usage real,
    steal_usage real,
    load_1m real,
    is_deleted boolean not null default false,
    cpu_name text not null,
    constraint cpu_log_pkey primary key (host_id, created_at, cpu_name),
    constraint cpu_log_cpu_usage_is_percent check (cpu_usage between 0 and 100),
    constraint cpu_log_user_usage_is_percent check (user_usage between 0 and 100),
    constraint cpu_log_system_usage_is_percent check (system_usage between 0 and 100),
    constraint cpu_log_iowait_usage_is_percent check (iowait_usage between 0 and 100),
    constraint cpu_log_steal_usage_is_percent check (steal_usage between 0 and 100),
    constraint cpu_log_load_1m_is_finite check (load_1m >= 0 and load_1m < 'infinity')
) partition by range (created_at);
comment on table pgvigil.cpu_log is 'Samples of CPU time: shares since the sample before.';
comment on column pgvigil.cpu_log.created_at is 'When the host took the sample, by its own clock, never rounded.';
comment on column pgvigil.cpu_log.updated_at is 'When the server stored it; the difference is delay or clock skew.';
comment on column pgvigil.cpu_log.host_id is 'The host.';
comment on column pgvigil.cpu_log.cpu_usage is 'Busy time: everything but idle and iowait (%).';
comment on column pgvigil.cpu_log.user_usage is 'User code, nice included (%).';
comment on column pgvigil.cpu_log.system_usage is 'Kernel and interrupts (%).';
comment on column pgvigil.cpu_log.iowait_usage is 'Idle while waiting for a disk (%).';
comment on column pgvigil.cpu_log.steal_usage is 'Taken by the hypervisor for other guests (%).';
comment on column pgvigil.cpu_log.load_1m is 'Load average of one minute, on cpu-total only.';
comment on column pgvigil.cpu_log.is_deleted is 'Soft delete: dashboards leave the row out.';
comment on column pgvigil.cpu_log.cpu_name is 'cpu-total, or cpu0, cpu1, ..';


create table pgvigil.memory_log (
    created_at timestamptz not null,
    updated_at timestamptz not null default statement_timestamp(),
    used_bytes bigint not null,
    available_bytes bigint not null,
    host_id integer not null,
    memory_usage real not null,
    is_deleted boolean not null default false,
    memory_name text not null,
    constraint memory_log_pkey primary key (host_id, created_at, memory_name),
    constraint memory_log_memory_usage_is_percent check (memory_usage between 0 and 100),
    constraint memory_log_used_bytes_is_natural check (used_bytes >= 0),
    constraint memory_log_available_bytes_is_natural check (available_bytes >= 0)
) partition by range (created_at);
comment on table pgvigil.memory_log is 'Samples of memory and swap.';
comment on column pgvigil.memory_log.created_at is 'When the host took the sample, by its own clock, never rounded.';
comment on column pgvigil.memory_log.updated_at is 'When the server stored it; the difference is delay or clock skew.';
comment on column pgvigil.memory_log.used_bytes is 'Size less what is available (bytes).';
comment on column pgvigil.memory_log.available_bytes is 'What can be had without swapping; of swap: what is free (bytes).';
comment on column pgvigil.memory_log.host_id is 'The host.';
comment on column pgvigil.memory_log.memory_usage is 'used_bytes of the size (%).';
comment on column pgvigil.memory_log.is_deleted is 'Soft delete: dashboards leave the row out.';
comment on column pgvigil.memory_log.memory_name is 'memory or swap.';


create table pgvigil.disk_log (
    created_at timestamptz not null,
    updated_at timestamptz not null default statement_timestamp(),
    used_bytes bigint,
    available_bytes bigint,
    host_id integer not null,
    disk_usage real,
    inode_usage real,
    io_usage real,
    read_bytes_per_second real,
    write_bytes_per_second real,
    is_deleted boolean not null default false,
    disk_name text not null,
    constraint disk_log_pkey primary key (host_id, created_at, disk_name),
    constraint disk_log_disk_usage_is_percent check (disk_usage between 0 and 100),
    constraint disk_log_inode_usage_is_percent check (inode_usage between 0 and 100),
    constraint disk_log_io_usage_is_percent check (io_usage between 0 and 100),
    constraint disk_log_used_bytes_is_natural check (used_bytes >= 0),
    constraint disk_log_available_bytes_is_natural check (available_bytes >= 0),
    constraint disk_log_read_bytes_per_second_is_finite
    check (read_bytes_per_second >= 0 and read_bytes_per_second < 'infinity'),
    constraint disk_log_write_bytes_per_second_is_finite
    check (write_bytes_per_second >= 0 and write_bytes_per_second < 'infinity')
) partition by range (created_at);
comment on table pgvigil.disk_log is 'Samples of disks: space and inodes of the file system, traffic of the device below it.';
comment on column pgvigil.disk_log.created_at is 'When the host took the sample, by its own clock, never rounded.';
comment on column pgvigil.disk_log.updated_at is 'When the server stored it; the difference is delay or clock skew.';
comment on column pgvigil.disk_log.used_bytes is 'Used space (bytes), null for a bare device.';
comment on column pgvigil.disk_log.available_bytes is 'Space that users other than root can still fill (bytes), null for a bare device.';
comment on column pgvigil.disk_log.host_id is 'The host.';
comment on column pgvigil.disk_log.disk_usage is 'Used of used and available, as df counts (%).';
comment on column pgvigil.disk_log.inode_usage is 'Inodes in use (%), null where the file system has no fixed number.';
comment on column pgvigil.disk_log.io_usage is 'Time in which the device was busy (%).';
comment on column pgvigil.disk_log.read_bytes_per_second is 'Read from the device (bytes per second).';
comment on column pgvigil.disk_log.write_bytes_per_second is 'Written to the device (bytes per second).';
comment on column pgvigil.disk_log.is_deleted is 'Soft delete: dashboards leave the row out.';
comment on column pgvigil.disk_log.disk_name is 'Mount point, or the device''s name where nothing is mounted.';


create table pgvigil.network_log (
    created_at timestamptz not null,
    updated_at timestamptz not null default statement_timestamp(),
    host_id integer not null,
    received_bytes_per_second real not null,
    sent_bytes_per_second real not null,
    errors_per_second real not null,
    drops_per_second real not null,
    link_usage real,
    is_deleted boolean not null default false,
    network_interface text not null,
    constraint network_log_pkey primary key (host_id, created_at, network_interface),
    constraint network_log_received_bytes_per_second_is_finite
    check (received_bytes_per_second >= 0 and received_bytes_per_second < 'infinity'),
    constraint network_log_sent_bytes_per_second_is_finite
    check (sent_bytes_per_second >= 0 and sent_bytes_per_second < 'infinity'),
    constraint network_log_errors_per_second_is_finite
    check (errors_per_second >= 0 and errors_per_second < 'infinity'),
    constraint network_log_drops_per_second_is_finite
    check (drops_per_second >= 0 and drops_per_second < 'infinity'),
    constraint network_log_link_usage_is_percent check (link_usage between 0 and 100)
) partition by range (created_at);
comment on table pgvigil.network_log is 'Samples of network interfaces.';
comment on column pgvigil.network_log.created_at is 'When the host took the sample, by its own clock, never rounded.';
comment on column pgvigil.network_log.updated_at is 'When the server stored it; the difference is delay or clock skew.';
comment on column pgvigil.network_log.host_id is 'The host.';
comment on column pgvigil.network_log.received_bytes_per_second is 'Received (bytes per second).';
comment on column pgvigil.network_log.sent_bytes_per_second is 'Sent (bytes per second).';
comment on column pgvigil.network_log.errors_per_second is 'Errors, sent and received together (per second).';
comment on column pgvigil.network_log.drops_per_second is 'Dropped packets, sent and received together (per second).';
comment on column pgvigil.network_log.link_usage is 'The busier direction against the speed of the link (%), null where that is not known.';
comment on column pgvigil.network_log.is_deleted is 'Soft delete: dashboards leave the row out.';
comment on column pgvigil.network_log.network_interface is 'Name of the interface.';


create table pgvigil.log_table (
    log_table text not null,
    resource_column text not null,
    info_table text not null,
    retention interval not null default '14 days',
    constraint log_table_pkey primary key (log_table),
    constraint log_table_retention_is_two_days_at_least check (retention >= interval '2 days')
);
comment on table pgvigil.log_table is 'The log tables: how their resource is called and how long their rows are kept.';
comment on column pgvigil.log_table.log_table is 'Name of the table in schema pgvigil.';
comment on column pgvigil.log_table.resource_column is 'Its column that names the resource.';
comment on column pgvigil.log_table.info_table is 'The table that describes the resource, with a column of the same name.';
comment on column pgvigil.log_table.retention is 'Age at which whole days are dropped.';

insert into pgvigil.log_table (log_table, resource_column, info_table)
values
('cpu_log', 'cpu_name', 'cpu_info'),
('memory_log', 'memory_name', 'memory_info'),
('disk_log', 'disk_name', 'disk_info'),
('network_log', 'network_interface', 'network_info');
