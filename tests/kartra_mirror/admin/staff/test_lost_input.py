"""What is sent after a session ended is lost, and people are told so; never silently."""

import pytest
from django.test import Client
from django.urls import reverse

from kartra_mirror.admin.staff import lost_input
from tests.factories import LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db

LOST = "Your session had ended, so what you entered was not saved."


@pytest.fixture
def person(db):
    person = StaffFactory(is_superuser=True)
    person.set_password("correct horse battery")
    person.save()
    return person


def ended(client, address, **headers):
    """The person typed, the session ended, and the form is sent. Then they sign in."""
    client.cookies.pop("sessionid", None)
    return client.post(address, {"first_name": "Ada", "city": "Bend"}, headers=headers)


def sign_in(client, person, answer):
    page = client.get(answer.url)
    signed_in = client.post(
        answer.url,
        {"username": person.username, "password": "correct horse battery", "next": answer.url.partition("next=")[2]},
    )
    return page.content.decode(), signed_in


def test_lost_values_are_told_at_sign_in_and_on_the_page_itself(client, person):
    lead = LeadFactory()
    address = reverse("admin:leads_lead_change", args=[lead.pk])
    client.force_login(person)

    answer = ended(client, address)
    page, _signed_in = sign_in(client, person, answer)
    back = client.get(address).content.decode()
    again = client.get(address).content.decode()

    assert answer.status_code == 302
    assert (LOST in page, LOST in back, LOST in again) == (True, True, False)
    lead.refresh_from_db()
    assert lead.city != "Bend"


def test_way_back_is_the_page_and_not_an_address_that_only_takes(client, person):
    page = reverse("admin:leads_lead_changelist")
    client.force_login(person)

    answer = ended(client, reverse("admin:stop_all"), referer=f"http://testserver{page}?q=ada")

    assert answer.url == f"{reverse('admin:login')}?next={page.replace('/', '%2F')}%3Fq%3Dada"
    assert ended(client, reverse("admin:stop_all"), referer="http://elsewhere.example/admin/x").url.endswith(
        "%2Fstop%2F"
    )


def test_looking_at_a_page_after_the_session_ended_loses_nothing(client, person):
    answer = client.get(reverse("admin:leads_lead_changelist"))

    assert lost_input.COOKIE not in answer.cookies
    assert LOST not in client.get(answer.url).content.decode()


def test_part_of_a_page_does_not_swallow_it(client, person):
    client.force_login(person)
    ended(client, reverse("admin:stop_all"))
    client.force_login(person)
    client.get(reverse("admin:home_now"), headers={"sec-fetch-dest": "empty"})

    assert LOST in client.get(reverse("admin:index")).content.decode()


def test_form_that_is_older_than_the_sign_in_says_it_too(person):
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)

    answer = client.post(reverse("admin:stop_all"), {})

    assert answer.status_code == 403
    assert "What you entered was not saved" in answer.content.decode()
