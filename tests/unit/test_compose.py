"""The texts of a mail: golden texts, threads, units, and host names that nobody should trust."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from email.parser import BytesParser
from email.policy import default
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mails import (
    AGENT,
    BROKEN,
    COMPANIONS,
    FIRED,
    FIRED_AT,
    FULL,
    LATER,
    RESOLVED,
    ROLLOUT,
    SILENT,
    SKEWED,
    VANISHED,
    first_line,
    hostile,
    write,
)
from pgvigil.chart import draw_chart
from pgvigil.errors import MailError
from pgvigil.message import Letter
from pgvigil.wording import display_width, format_duration, format_value, one_line, shorten, wrap

if TYPE_CHECKING:
    from pgvigil.model import Mail

FIRED_TEXT = """\
CRITICAL: CPU usage of cpu-total on web1 is 97.4 % (limit 95 %, held for
5 min)

Fired     2026-11-22 14:03:10 +09:00 Asia/Seoul
Measured  2026-11-22 14:03:10 +09:00 Asia/Seoul
Peak      97.4 %
Rule      threshold 12, scope host, warning 80 %, critical 95 %, hold
          5 min

Last hour, worst of each minute: 12.0 % to 97.4 %, limit 95 %

  ▂▂··▃▅▇██
         ^^
  ^ at or over 95 %

What to do:

  See who is busy: top -o %CPU

    Runbook: https://wiki.example.org/cpu?a=1&b=2

To acknowledge (no more reminders), to silence the host for two hours or
to change the rule (edit the numbers), run one of:

  select pgvigil.acknowledge('web1', 'cpu_usage', 'cpu-total');
  select pgvigil.silence_for('2 hours', 'web1');
  update pgvigil.threshold set warning = 80, critical = 95
   where threshold_id = 12;

Open in Grafana:

  https://grafana.example.org/d/pgvigil-host?var-host=web1&from=1795320190000&to=1795324690000

--\x20
Sent to ops@example.org by pgvigil (mail 77, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
RESOLVED_TEXT = """\
RESOLVED: CPU usage of cpu-total on web1 is back at 12.0 % after
7 min 12 s; peak 99.1 %

Fired     2026-11-22 06:03:10 +01:00 Europe/Berlin
Measured  2026-11-22 06:10:22 +01:00 Europe/Berlin
Lasted    7 min 12 s
Peak      99.1 %
Rule      threshold 12, scope host, warning 80 %, critical 95 %, hold
          5 min

Last hour, worst of each minute: 12.0 % to 99.1 %, limit 80 %

  ▂▂█▂
    ^
  ^ at or over 80 %

To change the rule, edit the numbers and run:

  update pgvigil.threshold set warning = 80, critical = 95
   where threshold_id = 12;

--\x20
Sent to ops@example.org by pgvigil (mail 81, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
FLAPPING_TEXT = """\
FLAPPING (critical): CPU usage of cpu-total on web1 is 97.4 % (limit 95 %,
held for 5 min) and is flapping: back over the limit; further coming and
going is counted, not mailed, until it has been calm for a while

Fired     2026-11-22 14:03:10 +09:00 Asia/Seoul
Measured  2026-11-22 18:06:10 +09:00 Asia/Seoul
Lasts     4 h 3 min
Peak      97.4 %
Rule      threshold 12, scope host, warning 80 %, critical 95 %, hold
          5 min

Last hour, worst of each minute: 12.0 % to 97.4 %, limit 95 %

  ▂▂··▃▅▇██
         ^^
  ^ at or over 95 %

To acknowledge (no more reminders), to silence the host for two hours or
to change the rule (edit the numbers), run one of:

  select pgvigil.acknowledge('web1', 'cpu_usage', 'cpu-total');
  select pgvigil.silence_for('2 hours', 'web1');
  update pgvigil.threshold set warning = 80, critical = 95
   where threshold_id = 12;

--\x20
Sent to ops@example.org by pgvigil (mail 99, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
SILENT_TEXT = """\
CRITICAL: web1 and 60 other hosts are silent (limit 1 min)

Silent    since 2026-11-22 14:02:05 +09:00 Asia/Seoul
Fired     2026-11-22 14:03:10 +09:00 Asia/Seoul
Rule      threshold 12, scope all, critical 1 min, at once

Also silent:

  web2, web3, web4, web5, web6, web7, web8, web9, web10, web11, web12,
  web13, web14, web15, web16, web17, web18, web19, web20, web21, web22,
  web23, web24, web25, web26, web27, web28, web29, web30, web31, web32,
  web33, web34, web35, web36, web37, web38, web39, web40, web41
  and 20 more

What to do:

  ping HOST

To acknowledge (no more reminders), to silence all that are silent now for
two hours or to change the rule (edit the numbers), run one of:

  select pgvigil.acknowledge(host_name, metric, resource)
   from dashboard.open_alert
   where metric = 'host_silence' and state = 'firing';
  select pgvigil.silence_for('2 hours', host_name)
   from dashboard.open_alert
   where metric = 'host_silence' and state = 'firing';
  update pgvigil.threshold set warning = null, critical = 60
   where threshold_id = 12;

--\x20
Sent to ops@example.org by pgvigil (mail 77, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
VANISHED_TEXT = """\
WARNING: Disk or interface /data on web1 has vanished

Fired     2026-11-22 14:03:10 +09:00 Asia/Seoul
Rule      threshold 12, scope all, warning, at once

To acknowledge (no more reminders) or to silence the host for two hours,
run one of:

  select pgvigil.acknowledge('web1', 'resource_vanished', '/data');
  select pgvigil.silence_for('2 hours', 'web1');

--\x20
Sent to ops@example.org by pgvigil (mail 77, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
FULL_TEXT = """\
CRITICAL: /data on web1 will be full in 3 h 50 min (limit 4 h)

The forecast: full between 2026-11-23 13:00 and 2026-11-23 18:30
(Asia/Seoul), growing by 3 GB an hour

Fired     2026-11-22 14:03:10 +09:00 Asia/Seoul
Rule      threshold 12, scope all, warning 1 d, critical 4 h, at once

To acknowledge (no more reminders), to silence the host for two hours or
to change the rule (edit the numbers), run one of:

  select pgvigil.acknowledge('web1', 'disk_full_in', '/data');
  select pgvigil.silence_for('2 hours', 'web1');
  update pgvigil.threshold set warning = 86400, critical = 14400
   where threshold_id = 12;

--\x20
Sent to ops@example.org by pgvigil (mail 77, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
AGENT_TEXT = """\
WARNING: The agent of web1 cannot measure disks (held for 5 min)

The agent says: PermissionError: [Errno 13] Permission denied:
'/host/proc/1/mounts'

Began     2026-11-22 13:57:55 +09:00 Asia/Seoul, 31 times so far
Fired     2026-11-22 14:03:10 +09:00 Asia/Seoul
Rule      threshold 12, scope all hosts, default, warning, hold 5 min

What to do:

  Its values are missing until it can, the rest is stored. On web1:
  journalctl -u pgvigil-agent -g collector_failed

To acknowledge (no more reminders) or to silence the host for two hours,
run one of:

  select pgvigil.acknowledge('web1', 'agent_problem', 'collector_failed disk');
  select pgvigil.silence_for('2 hours', 'web1');

--\x20
Sent to ops@example.org by pgvigil (mail 77, alert 41). Who gets what is
in the table pgvigil.recipient.
"""
HEADERS = ["From", "To", "Date", "Subject", "Message-ID", "Auto-Submitted", "List-Id"]
HEADERS += ["X-Pgvigil-Event", "X-Pgvigil-Severity", "X-Pgvigil-Mail-Id"]
BODY_HEADERS = ["MIME-Version", "Content-Type"]


def transport(mail: Mail) -> tuple[Letter, bytes]:
    """Send the mail through bytes, as a server would see it."""
    composed = write(mail)
    raw = composed.to_bytes(sender="pgvigil <vigil@example.org>", address=mail.address, date=FIRED_AT)
    return composed, raw


def test_rule_that_was_set_with_sql_says_so() -> None:
    """Where a rule comes from, in words."""
    text = " ".join(write(replace(FIRED, threshold_scope="all hosts, sql")).text.split())
    assert "scope all hosts, set with SQL, warning 80 %" in text


def test_the_text_of_a_fired_alert() -> None:
    """Everything somebody needs at three in the morning."""
    assert write(FIRED, "https://grafana.example.org/").text == FIRED_TEXT


def test_the_text_of_a_resolved_alert() -> None:
    """Value, duration and peak come first; without a note or Grafana nothing stands in their place."""
    assert write(RESOLVED).text == RESOLVED_TEXT


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (replace(FIRED, **LATER, event="flapping", note=""), FLAPPING_TEXT),
        (AGENT, AGENT_TEXT),
        (replace(SILENT, companions=COMPANIONS), SILENT_TEXT),
        (VANISHED, VANISHED_TEXT),
        (FULL, FULL_TEXT),
    ],
    ids=["flapping", "agent problem", "silent", "vanished", "forecast"],
)
def test_the_texts_of_what_only_time_reveals(mail: Mail, expected: str) -> None:
    """No chart where there is no history, no number where there is none to tell."""
    as_list: Any = list(mail.history)
    assert write(mail).text == write(replace(mail, history=as_list)).text == expected
    assert 'class="base"' not in write(replace(mail, history=())).html


def test_the_html_says_the_same() -> None:
    """Both parts are made of the same sentences."""
    html = write(FIRED, "https://grafana.example.org").html
    assert "CPU usage of cpu-total on web1 is 97.4\xa0% (limit 95\xa0%, held for 5\xa0min)" in html
    assert "cpu?a=1&amp;b=2" in html
    assert "var-host=web1&amp;from=1795320190000" in html
    assert not re.search(r"<(img|script|link)\b|url\(", html)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"event": "escalated"},
            "CRITICAL (was warning): CPU usage of cpu-total on web1 is 97.4 % (limit 95 %,",
        ),
        (
            {"event": "eased", "severity": "warning", "value": 85.0},
            "on web1 has fallen to 85.0 %, but the warning limit 80 % still holds",
        ),
        (
            {"event": "reminder", "sampled_at": FIRED_AT + timedelta(hours=2, minutes=5)},
            "STILL CRITICAL: CPU usage of cpu-total on web1 is 97.4 % (limit 95 %) after 2 h 5 min; peak",
        ),
        ({"event": "from-the-future"}, "FROM-THE-FUTURE (critical): CPU usage of cpu-total on web1: 97.4 %"),
        ({"hold_seconds": 0.0}, "CRITICAL: CPU usage of cpu-total on web1 is 97.4 % (limit 95 %)"),
        (
            {"warning": None, "critical": None, "hold_seconds": 0.0},
            "CPU usage of cpu-total on web1 is 97.4 %",
        ),
        ({"value": float("nan"), "history": (float("inf"),)}, "CPU usage of cpu-total on web1 is ?"),
    ],
)
def test_the_first_line_says_what_happened(changes: dict[str, Any], expected: str) -> None:
    """Each event has its own words, an unknown one general words."""
    assert expected in first_line(replace(FIRED, **changes))


@pytest.mark.parametrize(
    ("mail", "event", "expected"),
    [
        (
            FIRED,
            "cancelled",
            "CANCELLED: CPU usage of cpu-total on web1 is no longer judged: its rule was switched off",
        ),
        (SILENT, "fired", "CRITICAL: web1 has been silent for 1 min 5 s (limit 1 min)"),
        (SILENT, "reminder", "STILL CRITICAL: web1 has been silent for 1 min 5 s (limit 1 min)"),
        (SILENT, "eased", "web1 has been silent for only 1 min 5 s, but the critical limit 1 min still holds"),
        (SILENT, "flapping", "web1 is silent again, for 1 min 5 s (limit 1 min), and is flapping: further coming"),
        (SILENT, "resolved", "RESOLVED: web1 reports again after 1 min 5 s of silence"),
        (SILENT, "cancelled", "CANCELLED: The silence of web1 is no longer judged"),
        (SILENT, "odd", "ODD (critical): Silence of host on web1: 1 min 5 s (limit 1 min)"),
        (replace(SILENT, companions=("db1",)), "fired", "CRITICAL: web1 and 1 other host are silent (limit 1 min)"),
        (replace(SILENT, companions=COMPANIONS), "flapping", "web1 and 60 other hosts are silent again (limit 1 min)"),
        (replace(SILENT, companions=COMPANIONS), "resolved", "RESOLVED: web1 and 60 other hosts report again; web1"),
        (SKEWED, "fired", "WARNING: The clock of web1 is 45.2 s off (limit 30 s)"),
        (SKEWED, "reminder", "is 45.2 s off (limit 30 s) after 4 h 3 min"),
        (SKEWED, "eased", "is only 45.2 s off now, but the warning limit 30 s still holds"),
        (SKEWED, "flapping", "The clock of web1 is 45.2 s off (limit 30 s) and is flapping: back over the limit"),
        (replace(SKEWED, value=0.4), "resolved", "The clock of web1 is right again (0.4 s off) after 4 h 3 min"),
        (SKEWED, "cancelled", "Clock skew on web1 is no longer judged"),
        (FULL, "reminder", "/data on web1 will be full in 3 h 50 min (limit 4 h); forecast for 4 h 3 min"),
        (FULL, "eased", "/data on web1 will be full later than forecast, in 3 h 50 min, but the critical limit 4 h"),
        (FULL, "flapping", "will be full in 3 h 50 min (limit 4 h) and is flapping: back under the limit; further"),
        (replace(FULL, value=315_360_000.0), "resolved", "/data on web1 is no longer filling up, after 4 h 3 min"),
        (replace(FULL, value=187_200.0), "resolved", "/data on web1 is filling up more slowly, full in 2 d 4 h"),
        (FULL, "cancelled", "The forecast for /data on web1 is no longer judged"),
        (VANISHED, "reminder", "STILL WARNING: Disk or interface /data on web1 vanished 4 h 3 min ago and is not back"),
        (VANISHED, "flapping", "/data on web1 has vanished again and is flapping: further coming and going"),
        (VANISHED, "resolved", "RESOLVED: Disk or interface /data on web1 is back after 4 h 3 min"),
        (VANISHED, "cancelled", "/data on web1 is no longer judged"),
        (BROKEN, "fired", "WARNING: Rule 12 raised an error and was switched off; samples were stored"),
        (BROKEN, "reminder", "Rule 12 raised an error and was switched off 4 h 3 min ago; samples were stored"),
        (BROKEN, "flapping", "Rule 12 raised an error again and was switched off, and is flapping"),
        (BROKEN, "resolved", "RESOLVED: Rule 12 is armed again or deleted after 4 h 3 min"),
        (BROKEN, "cancelled", "The error of rule 12 is no longer judged"),
        (AGENT, "reminder", "STILL WARNING: The agent of web1 cannot measure disks, and that for 4 h 3 min"),
        (AGENT, "flapping", "The agent of web1 cannot measure disks again, and is flapping: further coming"),
        (AGENT, "resolved", "RESOLVED: The agent of web1 measures disks again after 4 h 3 min"),
        (AGENT, "cancelled", "The agent of web1 cannot measure disks; that is no longer judged"),
        (
            replace(AGENT, resource="inventory_failed cpu"),
            "fired",
            "WARNING: The agent of web1 cannot list the CPU (held",
        ),
        (replace(AGENT, resource="mount_hangs /nfs"), "fired", "WARNING: /nfs on web1 hangs and is not measured (held"),
        (replace(AGENT, resource="mount_hangs /nfs"), "resolved", "RESOLVED: /nfs on web1 answers again after 4 h"),
        (replace(AGENT, resource="samples_dropped spool"), "fired", "The agent of web1 has dropped samples (held"),
        (
            replace(AGENT, resource="sample_refused server"),
            "fired",
            "WARNING: PostgreSQL refuses samples of web1 (held",
        ),
        (
            replace(AGENT, resource="new thing"),
            "fired",
            "WARNING: The agent of web1 reports new thing (held for 5 min)",
        ),
        (ROLLOUT, "fired", "WARNING: The new release of agent does not work on web1"),
        (ROLLOUT, "resolved", "RESOLVED: agent works on web1 in its new release, after 4 h 3 min"),
        (replace(BROKEN, resource="metric a b"), "fired", "Metric a b raised an error and was switched off; samples"),
        (replace(BROKEN, resource="metric a b"), "resolved", "Metric a b is judged again after"),
        (replace(BROKEN, resource="disk_log"), "fired", "WARNING: Judging disk_log raised an error; samples were"),
    ],
)
def test_each_derived_metric_has_its_own_words(mail: Mail, event: str, expected: str) -> None:
    """Nobody reads "Vanished of /data is 1.0" at three in the morning."""
    assert expected in first_line(replace(mail, **LATER, event=event))


@pytest.mark.parametrize(
    ("mail", "subject"),
    [
        (SILENT, "web1: Silence"),
        (SKEWED, "web1: Clock skew"),
        (FULL, "web1: Disk filling up /data"),
        (VANISHED, "web1: Vanished /data"),
        (BROKEN, "web1: Broken rule 12"),
        (AGENT, "web1: Agent problem, collector failed disk"),
    ],
)
def test_derived_metrics_keep_their_subject_and_their_thread(mail: Mail, subject: str) -> None:
    """Whatever happens, and however many hosts are told with it."""
    root = write(mail)
    for event in ("escalated", "flapping", "cancelled", "resolved", "reminder"):
        answer = write(replace(mail, **LATER, event=event, companions=COMPANIONS))
        assert root.subject == answer.subject == f"[pgvigil] {subject}"
        assert answer.headers["In-Reply-To"] == root.message_id


def test_the_detail_is_a_paragraph_of_its_own() -> None:
    """What PostgreSQL said, without what a terminal would obey; of what is over it is told in the past."""
    said = "samples were stored\n\nPostgreSQL said: division by zero\nHINT:  [2Jdo not\n\nHost      web1\nFired"
    assert said in write(BROKEN).text
    assert "PostgreSQL said: division by zero\nHINT:  [2Jdo not<" in write(BROKEN).html
    assert "\n\nThe last forecast: full between" in write(replace(FULL, event="resolved")).text
    assert len(write(replace(BROKEN, detail="x" * 99_999)).text) < 4000
    assert "said" not in write(replace(BROKEN, detail=" \0\n ")).text


@pytest.mark.parametrize(
    ("event", "offered"),
    [
        ("fired", ["acknowledge", "silence_for", "update"]),
        ("escalated", ["acknowledge", "silence_for", "update"]),
        ("reminder", ["acknowledge", "silence_for", "update"]),
        ("flapping", ["acknowledge", "silence_for", "update"]),
        ("eased", ["update"]),
        ("resolved", ["update"]),
        ("cancelled", []),
    ],
)
def test_what_can_be_done_about_it(event: str, offered: list[str]) -> None:
    """Nothing is offered that would change nothing; both parts offer the same."""
    composed = write(replace(FIRED, event=event))
    for part in (composed.text, composed.html):
        assert [word for word in ("acknowledge", "silence_for", "update") if word in part] == offered


def test_names_in_sql_are_quoted() -> None:
    """A quote in a name ends no literal; a name that cannot be shown as it is cannot be copied."""
    text = write(replace(FIRED, host_name="o'web\\'; drop table x; --", resource="/mnt/a''b")).text
    host, resource = "'o''web\\''; drop table x; --'", "'/mnt/a''''b'"
    assert f"  select pgvigil.acknowledge({host}, 'cpu_usage', {resource});\n" in text
    assert f"  select pgvigil.silence_for('2 hours', {host});\n" in text
    assert "acknowledge" not in write(replace(FIRED, host_name="web\u202e1")).text


def test_companions_with_evil_names() -> None:
    """Markup stays text, control characters go, what is too long is cut, nobody is lost from the count."""
    names = ("<b onclick='x'>", "a\r\nBcc: b", "\0", "h" * 200)
    composed = write(replace(SILENT, companions=names))
    assert "web1 and 4 other hosts are silent" in composed.text
    assert "  <b onclick='x'>, a Bcc: b, ?,\n  hhh" in composed.text
    assert "h" * 65 not in composed.text + composed.html
    assert "&lt;b onclick=&#39;x&#39;&gt;" in composed.html
    assert "<b " not in composed.html


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("fired", "is down to 512.0 MiB (lower limit 1 GiB, held for 5 min)"),
        ("reminder", "is down to 512.0 MiB (lower limit 1 GiB) after 0 s; lowest 300.0 MiB"),
        ("eased", "has risen to 512.0 MiB"),
        ("resolved", "is back at 512.0 MiB after 0 s; lowest 300.0 MiB"),
    ],
)
def test_a_metric_that_must_not_fall(event: str, expected: str) -> None:
    """Direction below is told the other way round."""
    mail = replace(
        FIRED,
        event=event,
        direction="below",
        unit="bytes",
        value=512 * 2.0**20,
        peak_value=300 * 2.0**20,
        warning=2 * 2.0**30,
        critical=2.0**30,
    )
    assert expected in first_line(mail)


def test_the_subject_is_constant_over_the_incident() -> None:
    """Gmail opens a new thread for a new subject."""
    subjects = {write(replace(RESOLVED, event=event)).subject for event in ("fired", "eased", "resolved")}
    assert subjects == {"[pgvigil] web1: CPU usage cpu-total"}


@pytest.mark.parametrize(("resource", "host"), [("memory", "web1"), ("", "web1"), ("web1", "web1"), ("WEB1", "web1")])
def test_a_resource_that_tells_nothing_is_left_out(resource: str, host: str) -> None:
    """Memory usage of memory is what the title says already."""
    mail = replace(FIRED, metric_title="Memory usage", resource=resource, host_name=host)
    assert write(mail).subject == "[pgvigil] web1: Memory usage"
    assert first_line(mail).startswith("CRITICAL: Memory usage on web1 is")


def test_long_names_are_cut_in_the_subject_and_whole_in_the_body() -> None:
    """A subject of 200 characters is already too long for a telephone."""
    mail = replace(FIRED, host_name="h" * 300, metric_title="t" * 300, resource="/" + "r" * 300)
    composed = write(mail)
    assert len(composed.subject) <= 200
    for name in (mail.host_name, mail.metric_title, mail.resource):
        assert name in composed.text
        assert name in composed.html


def test_one_incident_is_one_thread() -> None:
    """The first mail is the root, the others answer it; a retry repeats its own name."""
    root, child = write(FIRED), write(RESOLVED)
    assert root.message_id == "<pgvigil-3-41-1795323790@mon.example.org>"
    assert child.message_id == "<pgvigil-3-41-1795323790-81@mon.example.org>"
    assert child.headers["References"] == child.headers["In-Reply-To"] == root.message_id
    assert "References" not in root.headers
    assert write(replace(RESOLVED, attempts=5)) == child


@pytest.mark.parametrize(
    ("event", "severity", "urgent"),
    [
        ("fired", "critical", True),
        ("escalated", "critical", True),
        ("fired", "warning", False),
        ("reminder", "critical", False),
        ("resolved", "critical", False),
    ],
)
def test_only_what_is_new_and_critical_is_urgent(event: str, severity: str, *, urgent: bool) -> None:
    """A mark on every mail would mark none."""
    headers = write(replace(FIRED, event=event, severity=severity)).headers
    assert ("X-Priority" in headers, "Importance" in headers) == (urgent, urgent)
    assert (headers["X-Pgvigil-Event"], headers["X-Pgvigil-Severity"]) == (event, severity)


@pytest.mark.parametrize(
    ("host", "domain", "expected"),
    [
        ("web1", "example.org", "<web1.pgvigil.example.org>"),
        ("Web1.lan", "example.org", "<web1.lan.pgvigil.example.org>"),
        ("데이터베이스", "한국.kr", "<3.pgvigil.xn--3e0b707e.kr>"),
        ("a b>\r\nBcc: x", "", "<a-b-bcc-x-3.pgvigil.pgvigil.invalid>"),
    ],
)
def test_a_list_per_host(host: str, domain: str, expected: str) -> None:
    """Filters of mail programs go by List-Id, so it is valid and tells hosts apart."""
    assert write(replace(FIRED, host_name=host), domain=domain).headers["List-Id"] == expected


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "America", "\0", "UTC"])
def test_a_time_zone_that_does_not_exist_is_utc(zone: str) -> None:
    """The offset stands there anyway, so nobody is misled."""
    assert "Fired     2026-11-22 05:03:10 +00:00 UTC" in write(replace(FIRED, time_zone=zone)).text


def test_a_link_is_quoted() -> None:
    """A name cannot add a parameter."""
    link = "?var-host=a%26var-host%3D%2F%3C%ED%95%9C&from="
    assert link in write(replace(FIRED, host_name="a&var-host=/<한"), "https://g.example.org").text


def test_a_rule_without_number_is_not_offered_for_change() -> None:
    """A host that fell silent has no threshold row."""
    text = write(replace(FIRED, threshold_id=None, history=())).text
    assert "update" not in text
    assert "Last hour" not in text


def test_a_limit_that_is_not_set_stays_null() -> None:
    """The printed statement changes nothing as long as nobody edits it."""
    assert "set warning = null, critical = 95\n" in write(replace(FIRED, warning=None)).text


def test_html_in_names_is_text() -> None:
    """Nothing from a row becomes markup, in an element, an attribute or a link."""
    evil = "<b id=\"x\" onclick='y'>&amp;"
    fields = (
        "host_name",
        "metric_title",
        "resource",
        "threshold_scope",
        "note",
        "address",
        "event",
        "severity",
        "unit",
    )
    changes: dict[str, Any] = dict.fromkeys(fields, evil)
    mail = replace(FIRED, **changes)
    html = write(mail, "https://g.example.org/?\"><b id='x'").html
    assert "<b" not in html.replace("<body", "")
    assert html.count("&lt;b id=&#34;x&#34; onclick=&#39;y&#39;&gt;&amp;amp;") > 5


@given(hostile, hostile, hostile, hostile, hostile)
def test_no_text_adds_a_header(host: str, title: str, resource: str, note: str, event: str) -> None:
    """Whatever a host calls itself: exactly our headers, both parts whole, nothing a terminal obeys."""
    mail = replace(
        FIRED,
        host_name=f"서버{host}",
        metric_title=title,
        resource=resource,
        note=note,
        event=event,
        severity=event,
        threshold_scope=host,
        unit=resource,
    )
    composed, raw = transport(mail)
    parsed = BytesParser(policy=default).parsebytes(raw)
    text, html = parsed.iter_parts()
    assert list(parsed.keys()) == [*HEADERS, "In-Reply-To", "References", *BODY_HEADERS]
    assert parsed["Subject"] == composed.subject
    assert parsed["Subject"].startswith("[pgvigil] 서버")
    assert text.get_content().replace("\r\n", "\n") == composed.text
    assert html.get_content().replace("\r\n", "\n") == composed.html
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", composed.text + composed.html)
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[^\x20-\x7e\r\n]", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(
    st.sampled_from([SILENT, SKEWED, FULL, VANISHED, BROKEN, AGENT]),
    st.sampled_from(["fired", "escalated", "eased", "reminder", "flapping", "resolved", "cancelled", "odd"]),
    hostile,
    st.lists(hostile),
    st.floats(),
)
def test_derived_metrics_withstand_any_row(
    mail: Mail, event: str, name: str, companions: list[str], value: float
) -> None:
    """Whatever time reveals of whichever host: a mail, and nothing in it that a terminal obeys."""
    odd = {"host_name": name, "resource": name, "detail": name, "companions": tuple(companions)}
    composed, _ = transport(replace(mail, event=event, value=value, peak_value=value, **odd))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", composed.text + composed.html)


@given(hostile)
def test_a_header_value_is_taken_literally(value: Any) -> None:
    """Blanks, encoded words and long words come out as they went in."""
    headers = {"X-Test": f"x {value} =?utf-8?q?=0D=0ABcc:_y?= 한글 {value}", "X-Plain": "word " * 60}
    raw = Letter("s", "", "", "<a@b>", headers).to_bytes(
        sender="vigil@example.org", address="ops@example.org", date=FIRED_AT
    )
    parsed = BytesParser(policy=default).parsebytes(raw)
    assert parsed["X-Test"] == one_line(f"x {value} =?utf-8?q?=0D=0ABcc:_y?= 한글 {value}")
    assert parsed["X-Plain"] == ("word " * 60).strip()
    assert "Bcc" not in parsed


@pytest.mark.parametrize(
    ("value", "unit", "measured", "typed"),
    [
        (97.44, "percent", "97.4 %", "97.44 %"),
        (95, "percent", "95.0 %", "95 %"),
        (512, "bytes", "512 B", "512 B"),
        (1023.99, "bytes", "1.0 KiB", "1 KiB"),
        (12.3 * 2**30, "bytes", "12.3 GiB", "12.3 GiB"),
        (4.5 * 2**20, "bytes_per_second", "4.5 MiB/s", "4.5 MiB/s"),
        (1234.5, "per_second", "1,234.5/s", "1,234.5/s"),
        (432, "seconds", "7 min 12 s", "7 min 12 s"),
        (3.25, "seconds", "3.2 s", "3.25 s"),
        (86_400, "seconds", "1 d", "1 d"),
        (82_800, "seconds", "23 h", "23 h"),
        (1, "count", "1", "1"),
        (1234, "count", "1,234", "1,234"),
        (3.456, "load", "3.46", "3.456"),
        (7, "widgets\r\n", "7.0 widgets", "7 widgets"),
        (7, "", "7.0", "7"),
        (1e300, "percent", "1e+300 %", "1e+300 %"),
        (float("nan"), "percent", "?", "?"),
    ],
)
def test_numbers_for_people(value: Any, unit: str, measured: str, typed: str) -> None:
    """A measured number has one decimal, a limit what was typed."""
    found = [format_value(value, unit), format_value(value, unit, exact=True)]
    assert [text.replace("\xa0", " ") for text in found] == [measured, typed]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (0.25, "0.25 s"),
        (59.6, "1 min"),
        (300, "5 min"),
        (432, "7 min 12 s"),
        (7500, "2 h 5 min"),
        (3605, "1 h 5 s"),
        (187_200, "2 d 4 h"),
        (float("inf"), "?"),
    ],
)
def test_durations_for_people(seconds: float, expected: str) -> None:
    """Two units are enough."""
    assert format_duration(seconds).replace("\xa0", " ") == expected


@given(st.text(), st.integers(10, 80), st.integers(0, 5))
def test_wrapping_loses_nothing(text: str, width: int, indent: int) -> None:
    """Lines fit unless one word alone does not."""
    line = one_line(text)
    wrapped = wrap(line, width, indent)
    assert wrapped.replace("\n" + " " * indent, " ") == line
    assert all(display_width(part) <= width or " " not in part.strip() for part in wrapped.split("\n"))


@given(st.text(), st.integers(3, 80))
def test_shortening(text: str, length: int) -> None:
    """What fits stays, what does not keeps both ends."""
    short = shorten(text, length)
    assert short == text if len(text) <= length else len(short) == length


@given(history=st.lists(st.none() | st.floats()), limit=st.none() | st.floats(), below=st.booleans())
def test_any_history_can_be_drawn(history: list[float | None], limit: float | None, *, below: bool) -> None:
    """Gaps, infinities and a limit out of sight; the text fits the line, the bars fit the box."""
    chart = draw_chart(history, limit, below=below)
    if chart is None:
        return
    assert len(chart.spark) == len(chart.bars) <= 60
    assert len(chart.marks) <= len(chart.spark)
    assert all(
        0 <= bar.over <= chart.over_height and 0 <= bar.under <= max(1, chart.under_height) for bar in chart.bars
    )


def test_a_mail_that_cannot_be_written_is_kept() -> None:
    """It waits for a version that has words for it."""
    broken: Any = "no number"
    with pytest.raises(MailError, match="no text could be made of mail 77") as caught:
        write(replace(FIRED, value=broken))
    assert not caught.value.permanent


def test_a_peak_survives_the_merging_of_columns() -> None:
    """Sixty columns for an hour of seconds: of each group the worse value stays."""
    history = [10.0] * 3600
    history[1234] = 99.0
    chart = draw_chart(history, 95.0, below=False)
    assert chart is not None
    assert (len(chart.spark), chart.maximum, chart.marks.count("^")) == (60, 99.0, 1)
