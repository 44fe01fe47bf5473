"""A large fleet: agents go through PgBouncer, everything else to PostgreSQL itself."""

from __future__ import annotations

import json

from lab import AGENT_HOSTS
from ledger import now, rotate, settle, wait_for_samples


def test_one_variable_puts_pgbouncer_before_the_agents(lab):
    """Samples of every host arrive through two sessions for all of them, by TLS and each with its own login; none is lost."""
    variables = lab.inventory / "group_vars/all.json"
    given = json.loads(variables.read_text())
    given |= {"pgvigil_pgbouncer": True, "pgbouncer_server_connections": 2, "pgvigil_image": "pgvigil:0.1.1"}
    variables.write_text(
        json.dumps(given | {"pgvigil_image_archive": given["pgvigil_image_archive"].replace("0.1.0", "0.1.1")})
    )
    since = now(lab)
    lab.play()
    wait_for_samples(lab, "through PgBouncer")
    settle(lab, since)
    for host in lab.hosts.values():
        assert "port=6432" in host.sh("cat /etc/pgvigil/pgvigil-agent.env")
    agents = (
        "select count(*), count(distinct client_addr), bool_and(ssl) from pg_stat_activity join pg_stat_ssl using (pid)"
    )
    sessions, addresses, is_encrypted = lab.sql(f"{agents} where usename like 'pgvigil_agent%'")[0]
    assert 1 <= int(sessions) <= 2 < len(AGENT_HOSTS)
    assert (addresses, is_encrypted) == ("1", "t"), "they come from PgBouncer, and verified"


def test_pgbouncer_lets_in_agents_and_nobody_else(lab):
    """Neither without TLS, nor with a wrong password, nor with the login of the mailer."""
    connect = (
        "docker exec -i pgvigil-agent python -c 'import psycopg, sys; "
        'psycopg.connect("host=db1 port=6432 dbname=pgvigil sslrootcert=/etc/pgvigil/ca.crt passfile=/etc/pgvigil/pgpass " + sys.argv[1])'
        "' '{}' 2>&1"
    )
    web1 = lab.hosts["web1"]
    assert not web1.sh(connect.format("user=pgvigil_agent_web1 sslmode=verify-full"))
    for refused in (
        "user=pgvigil_agent_web1 sslmode=disable",
        "user=pgvigil_agent_web1 sslmode=verify-full password=wrong",
        "user=pgvigil_mailer_db1 sslmode=verify-full password=wrong",
        "user=postgres sslmode=verify-full password=wrong",
    ):
        assert "connection failed" in web1.sh(connect.format(refused), check=False), refused


def test_rotation_goes_through_pgbouncer(lab):
    """It knows an agent's new password at once, and gets one of its own."""
    rotate(lab)
