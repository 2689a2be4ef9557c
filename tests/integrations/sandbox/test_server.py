"""The sandbox itself: limit, switches, faults, messages, memory, its page, and hostile bodies."""

import datetime as dt
import json
import re
import time
import urllib.error
import urllib.request

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from integrations.sandbox import forms
from integrations.sandbox.state import APP_ID, KEY, PASSWORD
from integrations.sandbox.store import demo
from integrations.sandbox.store.account import now_text
from integrations.sandbox.wire.server import Sandbox
from tests.integrations.sandbox.asking import CREDENTIALS, post


def control(sandbox, method, name, given=None):
    data = json.dumps(given).encode() if given is not None else None
    request = urllib.request.Request(f"{sandbox.base}/__sandbox__/{name}", data, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def wait_for(question, seconds=20):
    ends = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < ends, "It did not happen in time."
        time.sleep(0.02)


def test_php_brackets():
    body = b"a[b][c]=1&a[b][d]=2&list[]=x&list[]=y&plain=z&plain=w&odd[=q&deep[a][]=1"
    assert forms.parse(body) == {
        "a": {"b": {"c": "1", "d": "2"}},
        "list": {"0": "x", "1": "y"},
        "plain": "w",
        "odd": "q",
        "deep": {"a": {"0": "1"}},
    }


def test_json_under_text_html_with_scalars_as_texts(sandbox):
    id = sandbox.add_lead("ada@example.com")
    status, kind, text = post(sandbox, "get_lead[email]=ada@example.com")
    assert (status, kind) == (200, "text/html; charset=UTF-8")
    assert json.loads(text)["lead_details"]["id"] == id
    assert json.loads(text)["lead_details"]["score"] == "0"


def test_the_twenty_first_call_of_a_second_is_429_for_the_limited_app_alone(sandbox):
    limited = f"app_id={APP_ID}&api_key={KEY}&api_password={PASSWORD}&"
    answers = [post(sandbox, "actions[0][cmd]=retrieve_account_tags", limited)[0] for _ in range(21)]
    free = [post(sandbox, "actions[0][cmd]=retrieve_account_tags")[0] for _ in range(30)]
    assert answers == [200] * 20 + [429]
    assert free == [200] * 30
    assert control(sandbox, "GET", "stats")["throttled"] == 1


@pytest.mark.parametrize(
    ("switches", "done", "status"),
    [
        ({}, True, "Success"),
        ({"after_error": "stop"}, False, "Success"),
        ({"half_failed_status": "Error"}, True, "Error"),
        ({"errors_in_chain": "flat"}, False, "Error"),
    ],
)
def test_readings_of_a_half_failed_chain(sandbox, switches, done, status):
    id = sandbox.add_lead("ada@example.com")
    sandbox.switch(**switches)
    body = f"lead[id]={id}&actions[0][cmd]=assign_tag&actions[0][tag_name]=no&actions[1][cmd]=assign_tag&actions[1][tag_name]=VIP"
    answer = json.loads(post(sandbox, body)[2])
    assert answer["status"] == status
    assert sandbox.lead(id)["tags"] == (["VIP"] if done else [])


@pytest.mark.parametrize(("reading", "tags"), [("drop_chain", []), ("go_on", ["VIP"])])
def test_readings_of_244(sandbox, reading, tags):
    id = sandbox.add_lead("ada@example.com")
    sandbox.switch(on_244=reading)
    post(
        sandbox,
        "lead[email]=ada@example.com&actions[0][cmd]=create_lead&actions[1][cmd]=assign_tag&actions[1][tag_name]=VIP",
    )
    assert sandbox.lead(id)["tags"] == tags


def test_test_mode_rewrites_the_domain_and_makes_addresses_collide(sandbox):
    sandbox.switch(test_mode=True)
    first = post(sandbox, "lead[email]=jo@one.example&actions[0][cmd]=create_lead")[2]
    second = post(sandbox, "lead[email]=jo@two.example&actions[0][cmd]=create_lead")[2]
    assert (
        sandbox.lead(json.loads(first)["actions"][0]["create_lead"]["lead_details"]["id"])["email"] == "jo@kartra.com"
    )
    assert json.loads(second)["type"] == "244"


def test_late_effects_are_seen_later(sandbox):
    id = sandbox.add_lead("ada@example.com")
    sandbox.switch(effects_late_s=1)
    post(sandbox, f"lead[id]={id}&actions[0][cmd]=assign_tag&actions[0][tag_name]=VIP")
    assert sandbox.lead(id)["tags"] == []
    wait_for(lambda: sandbox.lead(id)["tags"] == ["VIP"])


def test_carried_out_late_is_dropped_first(sandbox):
    id = sandbox.add_lead("ada@example.com")
    sandbox.fault("carried out late", cmd="assign_tag", seconds=0.2)
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        post(sandbox, f"lead[id]={id}&actions[0][cmd]=assign_tag&actions[0][tag_name]=VIP")
    wait_for(lambda: sandbox.lead(id)["tags"] == ["VIP"])


def test_action_k_fails_while_the_others_are_done(sandbox):
    id = sandbox.add_lead("ada@example.com")
    sandbox.fault("action k fails", k=0, code="212")
    body = f"lead[id]={id}&actions[0][cmd]=assign_tag&actions[0][tag_name]=VIP&actions[1][cmd]=assign_tag&actions[1][tag_name]=cold"
    answer = json.loads(post(sandbox, body)[2])
    assert [entry["assign_tag"]["status"] for entry in answer["actions"]] == ["Error", "Success"]
    assert sandbox.lead(id)["tags"] == ["cold"]


def test_memory_survives_a_restart(tmp_path):
    path = str(tmp_path / "sandbox.sqlite3")
    first = Sandbox(db=path)
    first.start()
    first.fill(30)
    first.account().tag(next(iter(first.store.leads(1))), "VIP", True, heard=False)
    first.switches.set({"test_mode": True})
    first.stop()
    second = Sandbox(db=path)
    second.start()
    try:
        assert second.store.count_leads(1) == 30
        assert "VIP" in next(iter(second.store.leads(1)))["tags"]
        assert second.switches["test_mode"] is True
    finally:
        second.stop()


def test_receivers_are_on_this_machine_only(sandbox):
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(sandbox, "POST", "receivers", {"url": "http://192.0.2.1/x"})
    assert caught.value.code == 400


def test_control_says_what_was_wrong(sandbox):
    for method, name, wrong in (
        ("POST", "faults", {"fault": "no such"}),
        ("POST", "switches", {"no": 1}),
        ("POST", "act", {"do": "x"}),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            control(sandbox, method, name, wrong)
        assert "There is no" in caught.value.read().decode() or wrong.get("do")
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(sandbox, "GET", "nothing")
    assert caught.value.code == 404


def test_page_acts_as_a_person_and_escapes(sandbox):
    id = sandbox.add_lead("ada@example.com", first_name="<script>alert(1)</script>")
    form = urllib.request.Request(f"{sandbox.base}/leads/{id}/add-tag", b"tag=VIP")
    with urllib.request.urlopen(form, timeout=5) as answer:
        text = answer.read().decode()
    assert "Remove tag VIP" in text
    assert "<script>alert" not in text
    with urllib.request.urlopen(f"{sandbox.base}/?q=ada", timeout=5) as answer:
        assert "ada@example.com" in answer.read().decode()


def test_pages_are_made_of_the_products_style_sheets_and_ask_for_nothing_else(sandbox):
    id = sandbox.add_lead("ada@example.com", first_name="Ada")
    sandbox.server.posts.register("http://127.0.0.1:9/webhooks/x/")
    for path in ("/", f"/leads/{id}"):
        with urllib.request.urlopen(f"{sandbox.base}{path}", timeout=5) as answer:
            text, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
        sheets = re.findall(r"<link rel='stylesheet' href='([^']+)'>", text)
        assert sheets == [f"/style/{name}.css" for name in ("tokens", "parts", "frame", "page")]
        assert "script" not in policy
        assert not re.findall(r"(?:src|href)='(?!/|#|data:image/svg|http://127\.0\.0\.1:9/admin/)", text)
        assert "style=" not in text
    for name in sheets:
        with urllib.request.urlopen(f"{sandbox.base}{name}", timeout=5) as answer:
            assert (answer.headers["Content-Type"], b"var(--" in answer.read()) == ("text/css; charset=UTF-8", True)
    for path in ("/style/pages.css", "/style/../manage.py", "/style/"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{sandbox.base}{path}", timeout=5)


def test_page_of_a_lead_tells_what_it_has_and_leads_to_the_mirror(sandbox):
    id = sandbox.add_lead("ada@example.com", first_name="Ada")
    assert "in Kartra Mirror" not in said(sandbox, f"/leads/{id}")
    sandbox.server.posts.register("http://127.0.0.1:9/webhooks/x/")
    sandbox.act("book", lead=id, calendar="Coaching", **{"class": "Intro call", "when": "2026-12-02 09:00:00"})
    sandbox.act("start_subscription", lead=id, product="Trail Club")
    sandbox.act("grant_membership", lead=id, membership="Trail Club", level="Gold")

    text = said(sandbox, f"/leads/{id}")

    assert "http://127.0.0.1:9/admin/leads/lead/?q=ada%40example.com" in text
    for words in ("Intro call", "2026-12-02 09:00", "29.00 monthly", "Trail Club: Gold", "sale · "):
        assert words in text


def said(sandbox, path="/", form=None):
    with urllib.request.urlopen(urllib.request.Request(f"{sandbox.base}{path}", form), timeout=5) as answer:
        return answer.read().decode()


def test_account_of_the_demo_has_money_of_many_days_and_things_that_happen_just_now(sandbox):
    account = sandbox.server.account()
    demo.fill(account, 60)
    sales = control(sandbox, "GET", "transactions")
    assert len({sale["date"][:10] for sale in sales}) > 20
    assert {sale["type"] for sale in sales} >= {"sale", "rebill", "partial_refund", "failed"}
    assert all(dt.datetime.fromisoformat(sale["date"]) < dt.datetime.now() + dt.timedelta(days=1) for sale in sales)
    assert {sale["lead_email"].partition("@")[2] for sale in sales} == {"example.com", "example.org"}
    plans = account.store.payments(1, "subscription")
    assert {plan["status"] for plan in plans} == {"Active"}
    assert all(plan["next"] > now_text() for plan in plans)

    control(sandbox, "POST", "lately", {})

    leads = control(sandbox, "GET", "leads?whole=1")
    assert len([lead for lead in leads if lead["bookings"]]) == 13


def test_page_shows_what_goes_wrong_on_purpose_and_ends_it(sandbox):
    assert "Nothing just now." in said(sandbox)
    shown = said(sandbox, "/wrong/order", b"fault=carried+out%2C+then+dropped&cmd=assign_tag&times=3")
    assert "carried out, then dropped</strong>: assign_tag, any lead, 3 times" in shown
    control(sandbox, "POST", "switches", {"down": True})
    control(sandbox, "POST", "credentials", {"refuse": "233"})
    shown = said(sandbox)
    assert "down is True" in shown
    assert "with code 233" in shown
    assert "Nothing just now." in said(sandbox, "/wrong/end", b"")
    assert control(sandbox, "GET", "faults") == []


@pytest.mark.parametrize(
    "form", [b"", b"fault=no+such", b"fault=%00&times=-1", b"fault=<script>&cmd=<script>", b"fault=\xff&times=9e9"]
)
def test_page_orders_no_fault_that_is_none(sandbox, form):
    assert "Nothing just now." in said(sandbox, "/wrong/order", form)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200)
    | st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "actions[0][cmd]",
                    "actions[0][tag_name]",
                    "lead[id]",
                    "lead",
                    "get_lead[email]",
                    "actions[x][cmd]",
                    "actions[0][points]",
                ]
            ),
            st.text(max_size=20),
        ),
        max_size=6,
    ).map(lambda pairs: "&".join(f"{k}={v}" for k, v in pairs).encode())
)
def test_no_body_breaks_it(sandbox, body):
    request = urllib.request.Request(sandbox.url, CREDENTIALS.encode() + body)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert json.loads(answer.read())["status"] in ("Success", "Error")
