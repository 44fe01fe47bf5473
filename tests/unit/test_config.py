"""Durations, secrets and host names from options."""

from __future__ import annotations

import pytest

from pgvigil.config import check_host_name, parse_duration, parse_groups, parse_labels, read_secret
from pgvigil.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10), ("5m", 300), ("1h", 3600), ("1d", 86400), ("2.5", 2.5), (" 1 s ", 1)],
)
def test_duration_has_a_unit_or_is_seconds(text, seconds):
    """Durations are written as in Telegraf and Prometheus."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "ten", "1w", "nan", "inf", "1e9"])
def test_no_duration_is_refused_with_examples(text):
    """What is no duration, or not positive, is refused and shown."""
    with pytest.raises(ConfigError, match="is no duration") as caught:
        parse_duration(text)
    assert "10s" in caught.value.hint


def test_secret_is_the_first_line(tmp_path):
    """A trailing line break, as editors leave one, is not part of the secret."""
    (tmp_path / "secret").write_text("pass word\nsecond line\n")
    assert "pass word" == read_secret(tmp_path / "secret", "--x")


def test_no_file_is_no_secret():
    """A server without a login needs none."""
    assert read_secret(None, "--x") is None


@pytest.mark.parametrize("content", [b"", b"\nsecond", b"\xff\xfe"])
def test_bad_secret_file_is_refused_by_option(tmp_path, content):
    """An empty or binary file is refused, and the option is named."""
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret(tmp_path / "secret", "--smtp-password-file")
    assert "--smtp-password-file" in str(caught.value)


def test_missing_secret_file_is_refused(tmp_path):
    """A path that leads nowhere is refused."""
    with pytest.raises(ConfigError, match="cannot read the secret"):
        read_secret(tmp_path / "nothing", "--x")


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "a\x00b", "x" * 254, "a\x85b"])
def test_hostile_host_name_is_refused(name):
    """Line breaks, blanks and control characters never reach the database."""
    with pytest.raises(ConfigError, match="cannot be the name of a host"):
        check_host_name(name)


@pytest.mark.parametrize("name", ["web1", "web1.example.org", "서버-1", "x" * 253])
def test_usual_host_names_pass(name):
    """Names in any script are fine."""
    assert name == check_host_name(name)


def test_groups_and_labels_are_lists():
    """Blanks around a name do not count, those inside do, and a value may have an equals sign."""
    assert ("web", "asia") == parse_groups(" web, asia ")
    assert {"site": "New York", "query": "a=b"} == parse_labels("site = New York,query=a=b")
    assert ((), {}) == (parse_groups(" "), parse_labels(""))


@pytest.mark.parametrize("text", ["web,", ",", "web,,asia", "web,web"])
def test_broken_groups_are_refused(text):
    """An empty one is a slip, as is one that is there twice."""
    with pytest.raises(ConfigError, match=r"is no list of groups.*PGVIGIL_GROUPS"):
        parse_groups(text)


@pytest.mark.parametrize("text", ["site", "site=", "=eu", "site=eu,", "site=eu,site=us"])
def test_broken_labels_are_refused(text):
    """Each has a name and a value, once."""
    with pytest.raises(ConfigError, match=r"is no list of labels.*PGVIGIL_LABELS"):
        parse_labels(text)
