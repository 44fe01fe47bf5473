-- What can be judged, and limits that make sense on most machines. Change them with plain UPDATEs: this runs once.

insert into pgvigil.metric (metric, log_table, column_name, position, title, unit, direction, description)
values
('cpu_usage', 'cpu_log', 'cpu_usage', 1, 'CPU usage', 'percent', 'above', 'Busy time of all cores, without waiting for disks.'),
('iowait_usage', 'cpu_log', 'iowait_usage', 2, 'CPU waiting for disks', 'percent', 'above', 'Time in which cores had nothing to do but wait for a disk.'),
('steal_usage', 'cpu_log', 'steal_usage', 3, 'CPU stolen by the hypervisor', 'percent', 'above', 'Time in which this guest wanted a core and another guest had it.'),
('load_1m', 'cpu_log', 'load_1m', 4, 'Load average', 'load', 'above', 'Processes running or waiting, mean of a minute.'),
('memory_usage', 'memory_log', 'memory_usage', 1, 'Memory usage', 'percent', 'above', 'Memory that cannot be had without swapping; of swap: what is in use.'),
('memory_available_bytes', 'memory_log', 'available_bytes', 2, 'Available memory', 'bytes', 'below', 'Memory that programs can still get without swapping.'),
('disk_usage', 'disk_log', 'disk_usage', 1, 'Disk usage', 'percent', 'above', 'Used space of a file system, as df counts.'),
('inode_usage', 'disk_log', 'inode_usage', 2, 'Inode usage', 'percent', 'above', 'Used inodes of a file system: no file can be made at 100, however much space there is.'),
('io_usage', 'disk_log', 'io_usage', 3, 'Disk busy time', 'percent', 'above', 'Time in which the device had work to do.'),
('disk_available_bytes', 'disk_log', 'available_bytes', 4, 'Available disk space', 'bytes', 'below', 'Space that users other than root can still fill.'),
('disk_read_bytes_per_second', 'disk_log', 'read_bytes_per_second', 5, 'Disk reads', 'bytes_per_second', 'above', 'Bytes read from the device.'),
('disk_write_bytes_per_second', 'disk_log', 'write_bytes_per_second', 6, 'Disk writes', 'bytes_per_second', 'above', 'Bytes written to the device.'),
('received_bytes_per_second', 'network_log', 'received_bytes_per_second', 1, 'Network received', 'bytes_per_second', 'above', 'Bytes received by the interface.'),
('sent_bytes_per_second', 'network_log', 'sent_bytes_per_second', 2, 'Network sent', 'bytes_per_second', 'above', 'Bytes sent by the interface.'),
('errors_per_second', 'network_log', 'errors_per_second', 3, 'Network errors', 'per_second', 'above', 'Packets with errors, both directions.'),
('drops_per_second', 'network_log', 'drops_per_second', 4, 'Network drops', 'per_second', 'above', 'Packets dropped, both directions.'),
('link_usage', 'network_log', 'link_usage', 5, 'Link usage', 'percent', 'above', 'The busier direction against the speed of the link.');

insert into pgvigil.threshold (metric, resource, warning, critical, hold, managed_by, note)
values
('cpu_usage', null, 90, 98, '5 minutes', 'default', 'See who it is: ps -eo pid,user,pcpu,etime,args --sort=-pcpu | head. A job that may take all of the CPU deserves a longer hold or a limit of its own.'),
('iowait_usage', null, 40, null, '10 minutes', 'default', 'A disk is too slow for what is asked of it: iotop -oPa, or pidstat -d 5, names the process; Disk busy time names the disk.'),
('steal_usage', null, 20, null, '10 minutes', 'default', 'Other guests of the same hypervisor get the time that this one wants. Ask the provider, or move.'),
('memory_usage', 'memory', 90, 95, '2 minutes', 'default', 'See who it is: ps -eo pid,user,rss,args --sort=-rss | head. The kernel kills the largest process when nothing is left: dmesg -T | grep -i oom.'),
('memory_usage', 'swap', 90, 98, '5 minutes', 'default', 'Swap in use is harmless as long as nothing moves: vmstat 5, columns si and so. If it moves, the host needs memory.'),
('disk_usage', null, 85, 95, '1 minute', 'default', 'See what it is: du -xh --max-depth=2 MOUNT | sort -h | tail. Deleted files that are still open: lsof +L1.'),
('inode_usage', null, 85, 95, '1 minute', 'default', 'Very many small files: du --inodes -x --max-depth=3 MOUNT | sort -n | tail. Sessions, mail queues and caches are usual suspects.'),
('io_usage', null, 95, null, '15 minutes', 'default', 'The device has been busy without a pause: iotop -oPa, or pidstat -d 5, names the process. Fast SSDs serve many requests at once and may be fine.'),
('errors_per_second', null, 1, null, '5 minutes', 'default', 'Cable, optics, duplex or driver: ip -s -s link show dev INTERFACE, ethtool -S INTERFACE.'),
('drops_per_second', null, 100, null, '5 minutes', 'default', 'Packets come faster than they are taken: ip -s link, softnet_stat; a larger ring (ethtool -G) may do.'),
('link_usage', null, 80, 95, '5 minutes', 'default', 'The link is nearly full: iftop -i INTERFACE, or nethogs, names the traffic. A backup window deserves a rule of its own.');
