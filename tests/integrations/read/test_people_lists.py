"""People of a list whom our copy does not know, looked up in Kartra: what becomes of each, and what Kartra's trouble does."""

import pytest
from django.utils import timezone

from integrations import tasks
from integrations.models import Connection
from integrations.read import people_lists
from leads.erasure import forget
from leads.models import Lead, PeopleListRow
from leads.people import lists, reading
from tests.factories import LeadFactory
from tests.leads.people.making import listed, rows_of


def states(people_list):
    return [state for state, _ in rows_of(people_list)]


def asked(sandbox):
    return [call["form"]["get_lead"]["email"] for call in list(sandbox.calls()) if call["cmds"] == ["get_lead"]]


def test_each_stranger_is_asked_for_once(sandbox, connection):
    sandbox.mirrored_lead(connection, "known@example.com")
    LeadFactory(account=connection.account, email="absent@example.com", kartra_id=None, absent_at=timezone.now())
    gone = sandbox.add_lead("gone@example.com")
    sandbox.act("delete_lead", lead=gone)
    found = sandbox.add_lead("Found@example.com", first_name="Fay")
    made = lists.create_pasted(
        connection.account,
        "known@example.com\nfound@example.com\nabsent@example.com\nnowhere@example.com\ngone@example.com\nFOUND@example.com\n",
    )

    tasks.read_people_list(made.pk)

    made.refresh_from_db()
    assert states(made) == ["known", "found", "not_in_kartra", "not_in_kartra", "gone", "repeated"]
    assert made.state == "ready"
    assert len(asked(sandbox)) == 4
    lead = Lead.objects.get(kartra_id=found)
    assert (made.people.get(state="found").lead, lead.first_name, lead.read_at is not None) == (lead, "Fay", True)
    assert not Lead.objects.filter(email_key__in=["nowhere@example.com", "gone@example.com"]).exists()
    tasks.read_people_list(made.pk)
    assert len(asked(sandbox)) == 4


def test_who_was_forgotten_does_not_come_in_by_another_address(sandbox, connection):
    id = sandbox.add_lead("old@example.com")
    forget.forget(LeadFactory(account=connection.account, email="old@example.com", kartra_id=id))
    sandbox.act("change_email", lead=id, to="new@example.com")

    made = listed(connection.account, "new@example.com\n")
    people_lists.look_up(connection, made)

    assert rows_of(made) == [("forgotten", "")]
    assert not Lead.objects.exists()


@pytest.mark.parametrize("trouble", ["stopped", "held", "keys", "none"])
def test_nobody_is_asked_while_kartra_cannot_be(sandbox, connection, trouble, settings):
    changed = {
        "stopped": {"reads_stopped_at": timezone.now()},
        "held": {"hold_until": timezone.now() + timezone.timedelta(hours=1)},
    }
    made = listed(connection.account, "ada@example.com\n")
    if trouble == "keys":
        connection.api_key = "wrong"
        connection.save()
    elif trouble == "none":
        sandbox.stop()
    else:
        Connection.objects.filter(pk=connection.pk).update(**changed[trouble])
        connection.refresh_from_db()

    assert people_lists.look_up(connection, made, until_s=2) is False

    assert states(made) == ["to_look_up"]
    connection.refresh_from_db()
    if trouble in changed:
        assert people_lists.why_waiting(connection)
        assert (people_lists.due(), asked(sandbox)) == ([], [])


def test_a_cut_between_answers_goes_on(sandbox, connection):
    sandbox.add_lead("p1@example.com")
    made = listed(connection.account, "\n".join(f"p{n}@example.com" for n in range(12)))

    def enough():
        return len(asked(sandbox)) >= 5

    assert people_lists.look_up(connection, made, stop=enough) is True
    assert 0 < reading.counts_of(made)["to_look_up"] < 12
    assert people_lists.due() == [made.pk]
    assert people_lists.look_up(connection, made) is False

    assert reading.counts_of(made)["found"] == 1
    assert reading.counts_of(made)["not_in_kartra"] == 11
    assert sorted(asked(sandbox)) == sorted(row.email for row in PeopleListRow.objects.all())


def test_an_answer_that_is_a_refusal_is_told(sandbox, connection):
    made = listed(connection.account, "ada@example.com\n")
    sandbox.fault("whole call refused", cmd="get_lead", code="299", count=None)

    people_lists.look_up(connection, made)

    row = made.people.get()
    assert (row.state, row.words.split(":")[0]) == ("unreadable", "Kartra answered")


def test_the_sweep_goes_on_with_what_nobody_works_on(connection, notified):
    made = lists.create_pasted(connection.account, "ada@example.com\n")
    waiting = listed(connection.account, "bo@example.com\n")
    Connection.objects.update(reads_stopped_at=timezone.now())

    tasks.sweep()

    told = [ids for name, ids in notified if name == "read_people_list"]
    assert told == [(made.pk,)]
    Connection.objects.update(reads_stopped_at=None)
    assert set(people_lists.due()) == {made.pk, waiting.pk}
