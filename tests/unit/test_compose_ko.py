"""Korean mails, digests, weekly reports and templates of one's own: golden texts, and rows that nobody should trust."""

from __future__ import annotations

from dataclasses import replace
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
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
from pgvigil.compose import compose, compose_test, warm_up
from pgvigil.content import LANGUAGES
from pgvigil.errors import MailError
from pgvigil.wording import format_duration, format_value, particle

KOREAN: dict[str, Any] = {"language": "ko", "time_zone": "Asia/Seoul"}
UNDELIVERABLE = replace(BROKEN, metric="mail_undeliverable", metric_title="Undeliverable mail", resource="kim@example.org",
                        detail="mx:25 refused: 550 no such user (3 mails)")  # fmt: skip
FIRED_KO = """\
위험: web1 cpu-total의 CPU 사용률이 97.4%입니다 (임계값 95%, 5분 이상
지속)

발생      2026-11-22 14:03:10 +09:00 Asia/Seoul
측정      2026-11-22 14:03:10 +09:00 Asia/Seoul
최고      97.4%
규칙      번호 12, 모든 호스트, 기본 규칙, 경고 80%, 위험 95%, 5분 지속 시

최근 1시간, 1분마다 가장 나쁜 값: 12.0% ~ 97.4%, 임계값 95%

  ▂▂··▃▅▇██
         ^^
  ^ 95% 이상

조치 방법:

  CPU를 쓰는 프로세스 확인: ps -eo pid,user,pcpu,etime,args --sort=-pcpu |
  head. CPU를 다 써도 되는 작업이라면 hold를 늘리거나 그 호스트에 규칙을
  따로 두십시오.

확인 처리(재알림 중지), 이 호스트의 알림 2시간 중지, 규칙 변경(숫자를
고쳐서) 중 필요한 것을 실행하십시오:

  select pgvigil.acknowledge('web1', 'cpu_usage', 'cpu-total');
  select pgvigil.silence_for('2 hours', 'web1');
  update pgvigil.threshold set warning = 80, critical = 95
   where threshold_id = 12;

--\x20
pgvigil이 ops@example.org 앞으로 보냈습니다(메일 77, 경보 41). 수신자는
pgvigil.recipient 테이블에서 관리합니다.
"""
RESOLVED_KO = """\
해소: web1 cpu-total의 CPU 사용률이 12.0%까지 내려와 정상으로 돌아왔습니다
(지속 7분 12초, 최고 99.1%)

발생      2026-11-22 14:03:10 +09:00 Asia/Seoul
측정      2026-11-22 14:10:22 +09:00 Asia/Seoul
지속      7분 12초
최고      99.1%
규칙      번호 12, 호스트 web1, SQL로 설정, 경고 80%, 위험 95%, 5분 지속
          시

최근 1시간, 1분마다 가장 나쁜 값: 12.0% ~ 99.1%, 임계값 80%

  ▂▂█▂
    ^
  ^ 80% 이상

규칙을 바꾸려면 숫자를 고쳐 실행하십시오:

  update pgvigil.threshold set warning = 80, critical = 95
   where threshold_id = 12;

--\x20
pgvigil이 ops@example.org 앞으로 보냈습니다(메일 81, 경보 41). 수신자는
pgvigil.recipient 테이블에서 관리합니다.
"""


def told(number: int, **changes: Any) -> dict[str, Any]:
    """Return an alert as pgvigil.digest_items() writes it."""
    alert = {
        "mail_id": number, "host_id": number, "alert_id": number, "event": "fired", "severity": "warning",
        "host_name": f"web{number}", "metric": "cpu_usage", "metric_title": "CPU usage", "unit": "percent",
        "direction": "above", "resource": "cpu-total", "sampled_at": "2026-11-22T05:03:11+00:00", "value": 93.4,
        "peak_value": 98.0, "fired_at": "2026-11-22T05:02:01+00:00", "warning": 90.0, "critical": 98.0,
        "hold_seconds": 0.0, "threshold_id": 1, "detail": "",
    }  # fmt: skip
    return {**alert, **changes}


DIGEST = replace(
    FIRED,
    is_digest=True,
    items={
        "count": 499, "host_count": 498, "critical_count": 1, "over_count": 1, "since": "2026-11-22T05:03:10+00:00",
        "until": "2026-11-22T05:03:12+00:00",
        "alerts": [told(2, severity="critical", value=99.0), told(3), told(4, event="resolved", value=12.0)],
    },
)  # fmt: skip
DIGEST_TEXT = """\
CRITICAL: 499 alerts on 498 hosts, 1 critical, 1 resolved

Between 2026-11-22 14:03:10 +09:00 and 2026-11-22 14:03:12 +09:00
Asia/Seoul. They came too close together for a mail each; what changes
later is mailed one by one.

CRITICAL: CPU usage of cpu-total on web2 is 99.0 % (limit 98 %)
WARNING: CPU usage of cpu-total on web3 is 93.4 % (limit 90 %)
RESOLVED: CPU usage of cpu-total on web4 is back at 12.0 % after
  1 min 10 s; peak 98.0 %

And 496 more.

To see what is open now, or to acknowledge all of it (no more reminders):

  select * from dashboard.open_alert order by fired_at desc;
  select pgvigil.acknowledge(host_name, metric, resource)
   from dashboard.open_alert
   where state = 'firing' and fired_at >= '2026-11-22 05:03:10+00';

--\x20
Sent to ops@example.org by pgvigil (mail 77). Who gets what is in the
table pgvigil.recipient; how long mails wait for each other is the setting
digest_wait.
"""
DIGEST_KO = """\
위험: 호스트 498대에서 경보 499건, 위험 1건, 해소 1건

2026-11-22 14:03:10 +09:00부터 2026-11-22 14:03:12 +09:00까지
(Asia/Seoul). 짧은 시간에 한꺼번에 발생하여 하나로 묶었습니다. 이후의
변화는 하나씩 알려 드립니다.

위험: web2 cpu-total의 CPU 사용률이 99.0%입니다 (임계값 98%)
경고: web3 cpu-total의 CPU 사용률이 93.4%입니다 (임계값 90%)
해소: web4 cpu-total의 CPU 사용률이 12.0%까지 내려와 정상으로
  돌아왔습니다 (지속 1분 10초, 최고 98.0%)

이 밖에 496건이 더 있습니다.

현재 열려 있는 경보를 보거나, 모두 확인 처리(재알림 중지)하려면
실행하십시오:

  select * from dashboard.open_alert order by fired_at desc;
  select pgvigil.acknowledge(host_name, metric, resource)
   from dashboard.open_alert
   where state = 'firing' and fired_at >= '2026-11-22 05:03:10+00';

--\x20
pgvigil이 ops@example.org 앞으로 보냈습니다(메일 77). 수신자는
pgvigil.recipient 테이블에서, 묶는 간격은 digest_wait 설정에서 관리합니다.
"""
WEEKLY = replace(
    FIRED,
    alert_id=0,
    event="weekly",
    items={
        "since": "2026-11-15T23:00:00+00:00", "until": "2026-11-22T23:00:00+00:00",
        "rules": [{"metric": "cpu_usage", "title": "CPU usage", "scope": " ", "threshold_id": 1, "incidents": 42, "mails": 88,
                   "worst": "web1 cpu-total", "remaining": 8,
                   "statement": "update pgvigil.threshold set hold = '00:09:00' where threshold_id = 1;"}],
        "disks": [{"host_name": "db2", "resource": "/data", "usage": 81.2, "days_left": 6.4, "bytes_per_day": 13e9,
                   "statement": "insert into pgvigil.threshold ..;"}],
        "hosts": [{"host_name": "old-7", "statement": "update pgvigil.host set expected = false where host_name = 'old-7';"}],
        "host_count": 1,
    },
)  # fmt: skip
WEEKLY_TEXT = """\
WEEKLY REPORT: 1 noisy rule, 1 disk filling up, 1 host not reporting,
2026-11-16 to 2026-11-23

Rules that mailed most:

  CPU usage: 88 mails of 42 incidents, most of web1 cpu-total. With this
  hold 8 would be left:
    update pgvigil.threshold set hold = '00:09:00' where threshold_id = 1;

Disks that fill:

  /data on db2 (81.2 %) is full in 6 d 9 h if it goes on growing by
  12.1 GiB a day. To be told a week ahead:
    insert into pgvigil.threshold ..;

Hosts that do not report:

  old-7 has never reported. If it is not to be watched:
    update pgvigil.host set expected = false where host_name = 'old-7';

--\x20
Sent to ops@example.org by pgvigil (mail 77). Not wanted? update
pgvigil.recipient set weekly = false where address = 'ops@example.org';
"""

WEEKLY_KO = """\
주간 보고: 2026-11-16 ~ 2026-11-23, 메일이 잦은 규칙 1개, 차오르는 디스크
1개, 보고가 없는 호스트 1대

메일이 가장 잦았던 규칙:

  CPU 사용률: 경보 42건에 메일 88통, 가장 잦은 대상은 web1 cpu-total. 지속
  시간(hold)을 다음과 같이 늘렸다면 8건만 남았을 것입니다.
    update pgvigil.threshold set hold = '00:09:00' where threshold_id = 1;

차오르는 디스크:

  db2의 /data (81.2%): 하루 12.1 GiB씩 늘고 있어 6일 9시간 뒤에 가득
  찹니다. 일주일 전에 미리 알림을 받으려면:
    insert into pgvigil.threshold ..;

보고가 없는 호스트:

  old-7: 한 번도 보고하지 않았습니다. 감시 대상이 아니라면:
    update pgvigil.host set expected = false where host_name = 'old-7';

--\x20
pgvigil이 ops@example.org 앞으로 보냈습니다(메일 77). 받지 않으려면:
update pgvigil.recipient set weekly = false where address =
'ops@example.org';
"""
AGENT_KO = """\
경고: web1의 에이전트가 디스크 측정에 실패하고 있습니다 (5분 이상 지속)

에이전트의 보고: PermissionError: [Errno 13] Permission denied:
'/host/proc/1/mounts'

시작      2026-11-22 13:57:55 +09:00 Asia/Seoul, 지금까지 31회
발생      2026-11-22 14:03:10 +09:00 Asia/Seoul
규칙      번호 12, 모든 호스트, 기본 규칙, 경고, 5분 지속 시

조치 방법:

  측정할 수 있을 때까지 그 값은 비고, 나머지는 저장됩니다. 그 호스트에서
  원인을 확인하십시오: journalctl -u pgvigil-agent -g collector_failed

확인 처리(재알림 중지) 또는 이 호스트의 알림 2시간 중지 중 필요한 것을
실행하십시오:

  select pgvigil.acknowledge('web1', 'agent_problem', 'collector_failed disk');
  select pgvigil.silence_for('2 hours', 'web1');

--\x20
pgvigil이 ops@example.org 앞으로 보냈습니다(메일 77, 경보 41). 수신자는
pgvigil.recipient 테이블에서 관리합니다.
"""


@pytest.mark.parametrize(
    ("mail", "expected"),
    [
        (replace(FIRED, threshold_scope="all hosts, default"), FIRED_KO),
        (replace(RESOLVED, threshold_scope="host web1, sql"), RESOLVED_KO),
        (AGENT, AGENT_KO),
        (DIGEST, DIGEST_KO),
        (WEEKLY, WEEKLY_KO),
    ],
    ids=["fired", "resolved", "agent problem", "digest", "weekly"],
)
def test_korean_texts(mail, expected):
    """The same facts, in the order and with the units that a Korean reader expects."""
    assert write(replace(mail, **KOREAN)).text == expected


def test_note_of_ones_own_is_not_translated():
    """Only the notes that are shipped have a Korean one."""
    mail = replace(FIRED, **KOREAN, threshold_scope="all hosts, sql", note="See top.")
    assert "조치 방법:\n\n  See top.\n" in write(mail).text


@pytest.mark.parametrize(
    ("mail", "event", "expected"),
    [
        (FIRED, "escalated", "위험 (경고에서 격상): web1 cpu-total의 CPU 사용률이 97.4%입니다 (임계값 95%, 5분 이상 지속)"),
        (FIRED, "reminder", "위험 지속 중: web1 cpu-total의 CPU 사용률이 여전히 97.4%입니다 (임계값 95%, 지속 4시간 3분, 최고 97.4%)"),
        (FIRED, "cancelled", "판정 중단: web1 cpu-total의 CPU 사용률은 더 이상 판정하지 않습니다"),
        (FIRED, "flapping", "반복 발생 (위험): web1 cpu-total의 CPU 사용률이 다시 임계값을 넘었습니다. 현재 97.4%이며"),
        (replace(FIRED, severity="warning"), "eased", "경고 (위험에서 완화): web1 cpu-total의 CPU 사용률이 97.4%까지 내려왔지만 아직 경고 임계값(80%)을 넘고"),
        (replace(FIRED, metric="new", metric_title="Temperature"), "fired", "web1 cpu-total의 Temperature이(가) 97.4%입니다"),
        (SILENT, "fired", "위험: web1의 응답이 1분 5초째 없습니다 (임계값 1분)"),
        (replace(SILENT, companions=COMPANIONS), "fired", "위험: web1 외 60대의 응답이 끊겼습니다 (임계값 1분)"),
        (SILENT, "resolved", "해소: web1의 보고가 다시 들어옵니다 (무응답 1분 5초)"),
        (SKEWED, "fired", "경고: web1의 시계가 45.2초 어긋나 있습니다 (임계값 30초)"),
        (FULL, "fired", "위험: 이 추세라면 web1의 /data 디스크가 3시간 50분 뒤에 가득 찹니다 (임계값 4시간)"),
        (replace(FULL, value=315_360_000.0), "resolved", "해소: web1의 /data 디스크가 더 이상 차오르지 않습니다"),
        (VANISHED, "fired", "경고: web1의 /data 디스크 또는 인터페이스가 사라졌습니다"),
        (VANISHED, "reminder", "사라진 지 4시간 3분 지났지만 아직 돌아오지 않았습니다"),
        (BROKEN, "fired", "경고: 규칙 12에서 오류가 발생하여 자동으로 꺼졌습니다. 샘플은 저장되었습니다"),
        (BROKEN, "resolved", "해소: 규칙 12: 다시 켜졌거나 삭제되었습니다 (지속 4시간 3분)"),
        (AGENT, "fired", "경고: web1의 에이전트가 디스크 측정에 실패하고 있습니다 (5분 이상 지속)"),
        (AGENT, "resolved", "해소: web1의 에이전트가 디스크 측정을 재개했습니다 (지속 4시간 3분)"),
        (replace(AGENT, resource="mount_hangs /nfs"), "fired", "경고: web1의 /nfs 마운트가 응답하지 않아 측정하지 못하고 있습니다"),
        (ROLLOUT, "reminder", "경고 지속 중: web1에 배포한 agent 새 버전이 4시간 3분째 동작하지 않습니다"),
        (UNDELIVERABLE, "fired", "경고: kim@example.org 앞으로 보내는 메일이 영구 거부되었습니다"),
    ],
)  # fmt: skip
def test_korean_sentences(mail, event, expected):
    """What happened, with particles that fit."""
    assert expected in first_line(replace(mail, **LATER, **KOREAN, event=event))


@pytest.mark.parametrize("mail", [FIRED, SILENT, SKEWED, FULL, VANISHED, BROKEN, UNDELIVERABLE, AGENT, ROLLOUT])
@pytest.mark.parametrize(
    "event", ["fired", "escalated", "eased", "reminder", "flapping", "resolved", "cancelled", "odd"]
)
def test_every_event_has_korean_words(mail, event):
    """No English sentence is left, no doubtful particle, no blank where a word is missing."""
    for companions in ((), COMPANIONS):
        text = first_line(replace(mail, **LATER, **KOREAN, event=event, companions=companions))
        assert not {"is", "has", "been", "on", "of", "after", "limit", "None"} & set(text.replace(":", " ").split())
        assert "이(가)" not in text
        assert "  " not in text
        assert " ," not in text
        assert text.count("(") == text.count(")")


def test_digest_text():
    """One line for each alert, the worst first; what can be done about all of them."""
    composed = write(replace(DIGEST, time_zone="Asia/Seoul"))
    assert composed.text == DIGEST_TEXT
    assert composed.subject == "[pgvigil] 499 alerts on 498 hosts"
    assert "In-Reply-To" not in composed.headers
    assert composed.headers["X-Pgvigil-Event"] == "digest"
    assert composed.message_id != write(FIRED).message_id
    assert write(replace(DIGEST, **KOREAN)).subject == "[pgvigil] 호스트 498대에서 경보 499건"


def test_digest_of_what_is_over_asks_for_nothing():
    """There is nothing left to acknowledge."""
    items = {**DIGEST.items, "count": 1, "host_count": 1, "critical_count": 0, "alerts": [told(4, event="resolved")]}
    composed = write(replace(DIGEST, items=items))
    assert "RESOLVED: 1 alert on 1 host, all resolved" in composed.text
    assert "acknowledge" not in composed.text


def test_weekly_text():
    """Each with the statement that mends it, in the time zone of the reader."""
    composed = write(replace(WEEKLY, time_zone="Asia/Seoul"))
    assert composed.text == WEEKLY_TEXT
    assert write(replace(WEEKLY, **KOREAN)).subject == "[pgvigil] 주간 보고"


def test_trial_mail_in_both_languages():
    """It says by which way it came."""
    facts = dict.fromkeys(("sender", "server", "tls", "sent_at", "zone", "machine"), "x")
    subjects = [
        compose_test("a@example.org", language=language, message_domain="example.org", facts=facts).subject
        for language in LANGUAGES
    ]
    assert subjects == ["[pgvigil] Test mail", "[pgvigil] 시험 메일"]


def test_template_of_ones_own_stands_for_the_shipped_one(tmp_path):
    """The others stay; one that is broken is said by name, and nothing else depends on it."""
    (tmp_path / "alert.txt.j2").write_text("{{ host }} {{ phrases.sentence }}")
    composed = compose(FIRED, grafana_url=None, message_domain="example.org", templates=tmp_path)
    assert composed.text.startswith("web1 CPU usage")
    assert composed.html == write(FIRED).html
    (tmp_path / "digest.txt.j2").write_text("{% for %}")
    with pytest.raises(MailError, match=r"digest\.txt\.j2"):
        warm_up(tmp_path)
    with pytest.raises(MailError, match="Correct the template"):
        compose(DIGEST, grafana_url=None, message_domain="example.org", templates=tmp_path)


@pytest.mark.parametrize(
    ("word", "pair", "expected"),
    [("사용률", "이/가", "사용률이"), ("메모리", "이/가", "메모리가"), ("web1", "은/는", "web1은"), ("web2", "은/는", "web2는"),
     ("사용률", "으로/로", "사용률로"), ("값", "으로/로", "값으로"), ("임계값(5)", "을/를", "임계값(5)를"), ("eth", "이/가", "eth이(가)"),
     ("", "이/가", "이(가)")],
)  # fmt: skip
def test_particle_fits_the_last_sound(word, pair, expected):
    """Hangul by its final consonant, digits as they are read, Latin letters by both."""
    assert particle(word, pair) == expected


def test_korean_units():
    """Percent and seconds stand at the number, as in Korean print; bytes do not."""
    values = [(97.4, "percent"), (12.0, "seconds"), (130.0, "seconds"), (2.0**30, "bytes"), (1.5, "load")]
    assert [format_value(value, unit, language="ko").replace("\xa0", " ") for value, unit in values] == [
        "97.4%", "12.0초", "2분 10초", "1.0 GiB", "1.50",
    ]  # fmt: skip
    assert format_duration(90_000, "ko").replace("\xa0", " ") == "1일 1시간"


def parsed(mail):
    """Send a mail through bytes and read it back."""
    composed = write(mail)
    raw = composed.to_bytes(sender="pgvigil <vigil@example.org>", address="ops@example.org", date=FIRED_AT)
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    return composed, BytesParser(policy=default).parsebytes(raw)


@settings(max_examples=60, deadline=None)
@given(texts=st.tuples(*[hostile] * 5), language=st.sampled_from(LANGUAGES))
def test_no_row_breaks_a_mail_of_any_kind(texts, language):
    """Line ends, NUL, bidi marks and emoji in names, notes, server replies: no header more, and both parts whole."""
    host, resource, note, detail, statement = texts
    names = {"host_name": host, "resource": resource, "detail": detail}
    row = {"host_name": host, "resource": resource, "statement": statement, "worst": host, "title": detail, "scope": resource,
           "address": host, "detail": detail, "metric": "x", "mails": 1, "incidents": 1, "remaining": 0, "usage": 1.0,
           "days_left": 1.0, "bytes_per_day": 1.0}  # fmt: skip
    kinds = [
        replace(FIRED, host_name=host, resource=resource, note=note, detail=detail, language=language),
        replace(UNDELIVERABLE, host_name=host, resource=resource, detail=detail, language=language),
        replace(DIGEST, language=language, items={**DIGEST.items, "alerts": [told(1, **names)]}),
        replace(WEEKLY, language=language, items={**WEEKLY.items, **{name: [row] for name in ("rules", "disks", "hosts", "addresses")}}),
    ]  # fmt: skip
    for mail in kinds:
        composed, message = parsed(mail)
        assert message["Subject"] == composed.subject
        expected = {
            "From",
            "To",
            "Date",
            "Subject",
            "Message-ID",
            "Auto-Submitted",
            "List-Id",
            "MIME-Version",
            "Content-Type",
        }
        assert {name for name in message if not name.startswith("X-")} - {"Importance"} == expected
        text = message.get_body(("plain",)).get_content()
        assert text.splitlines() == composed.text.encode("utf-8", "replace").decode().splitlines()
        assert not set(composed.text) & set("\0\r\x1b\x85\u202e\u2028")


def test_huge_rows_are_told():
    """A note of 100 kB and a name of 255 emoji arrive, the note cut in its middle, the name whole."""
    name = "🚀" * 255
    composed, message = parsed(replace(FIRED, **KOREAN, host_name=name, note="가" * 100_000))
    assert name in message.get_body(("plain",)).get_content()
    assert len(composed.text) < 20_000
    assert message["Subject"] == composed.subject
