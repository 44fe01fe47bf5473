"""The fleet that `make pictures` draws still has the bad day that the pictures show."""

from __future__ import annotations

from pathlib import Path

import psycopg

FLEET = Path(__file__).parents[1] / "pictures" / "fleet.sql"


def test_fleet_of_the_pictures_has_its_three_alerts(database):
    """One computes too much, one runs full, one is silent; each is mailed."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(FLEET.read_bytes())
        alerts = owner.execute(
            "select h.host_name, a.metric, a.severity"
            " from pgvigil.alert as a inner join pgvigil.host as h using (host_id)"
            " where a.state = 'firing' order by h.host_name"
        ).fetchall()
        mails = owner.execute("select count(*) from pgvigil.mail where event = 'fired'").fetchone()
    assert [
        ("db1", "cpu_usage", "critical"), ("web2", "disk_usage", "critical"), ("web4", "host_silence", "critical"),
    ] == alerts  # fmt: skip
    assert (3,) == mails
