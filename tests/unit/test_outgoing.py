"""The order in which samples leave the agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pgvigil.model import Inventory, Sample
from pgvigil.sampling import Outgoing

NOTHING = Inventory((), (), (), ())


def sample(second):
    """Make an empty sample of a given second."""
    return Sample(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second), (), (), (), ())


def drain(outgoing):
    """Take everything that waits and return the seconds."""
    seconds = []
    while (taken := outgoing.take(0)) is not None:
        seconds.append(taken.taken_at.second)
    return seconds


def test_newest_goes_first_and_the_rest_in_order():
    """After an outage the rules judge the present before the past is filled in."""
    outgoing = Outgoing(10, NOTHING)
    for second in (1, 2, 3, 4):
        outgoing.put(sample(second))
    assert [4, 1, 2, 3] == drain(outgoing)


def test_sample_that_could_not_be_sent_goes_back_to_its_place():
    """A failed live sample is newer than the backlog, a failed old one is its head."""
    outgoing = Outgoing(10, NOTHING)
    for second in (1, 2, 3):
        outgoing.put(sample(second))
    live, oldest = outgoing.take(0), outgoing.take(0)
    outgoing.put_back(live)
    outgoing.put_back(oldest)
    assert [1, 2, 3] == drain(outgoing)


def test_full_buffer_drops_the_oldest_and_counts():
    """A bounded buffer keeps the newest samples and says how many it lost."""
    outgoing = Outgoing(2, NOTHING)
    for second in range(6):
        outgoing.put(sample(second))
    assert (3, 3) == (len(outgoing), outgoing.dropped)
    assert [5, 3, 4] == drain(outgoing)


def test_take_gives_up_in_time():
    """Nothing to send is no reason to hang."""
    assert Outgoing(2, NOTHING).take(0.01) is None
