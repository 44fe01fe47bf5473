"""Questions to the server by way of libpq itself, for what an agent does at every beat."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from psycopg.pq.abc import PGconn, PGresult

_SECONDS_WITHOUT_ANSWER = 15  # longer than the server may take: then it is frozen, and so is its own timeout


def exchange(
    connection: psycopg.Connection[Any], questions: Iterable[tuple[Any, ...]], when_slow: Callable[[], object] = int
) -> list[PGresult]:
    """Send questions and return the answers: one round trip and, in autocommit mode, one transaction.

    The driver's own pipeline takes twice the CPU time, and waits for a frozen server for ever. `when_slow` is called
    after each second without an answer.
    """
    line = connection.pgconn
    answers: list[PGresult] = []
    try:
        line.enter_pipeline_mode()
        for send, *arguments in questions:
            send(*arguments)
        line.pipeline_sync()
        while not answers or answers[-1].status != ExecStatus.PIPELINE_SYNC:
            _wait_for_answer(line, when_slow)
            answers += filter(None, [line.get_result()])
        line.exit_pipeline_mode()
    except psycopg.OperationalError:
        if all(answer.status != ExecStatus.FATAL_ERROR for answer in answers):
            raise
    for answer in answers:
        if answer.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(answer)
    return answers


def _wait_for_answer(line: PGconn, when_slow: Callable[[], object]) -> None:
    changes = select.poll()
    while (is_unsent := line.flush()) or line.is_busy():
        changes.register(line.socket, select.POLLIN | (select.POLLOUT if is_unsent else 0))
        for _ in range(_SECONDS_WITHOUT_ANSWER):
            if changes.poll(1000):
                break
            when_slow()
        else:
            message = f"no answer for {_SECONDS_WITHOUT_ANSWER} seconds"
            raise psycopg.OperationalError(message)
        line.consume_input()
    if line.status == ConnStatus.BAD:
        raise psycopg.OperationalError(line.get_error_message())
