"""Bodies made readable for a person: JSON, forms, both; whatever comes, harmless and whole."""

import json
import time
from urllib.parse import quote, urlencode

import pytest
from django.utils import timezone
from hypothesis import given, strategies as st

from integrations.receive import body_text
from integrations.secrets import LostSecret
from tests.factories import DeliveryFactory, StaffFactory

HOSTILE = '<img x-data x-init="alert(1)" src=x onerror=alert(2)>'


@pytest.mark.parametrize(
    ("body", "pretty"),
    [
        (
            '{"action":"assign_tag","tag":{"tag_name":"VIP"}}',
            '{\n  "action": "assign_tag",\n  "tag": {\n    "tag_name": "VIP"\n  }\n}',
        ),
        ("[]", ""),
        ("{}", ""),
        ("[{},[]]", "[\n  {},\n  []\n]"),
        ("[1,[2,3]]", "[\n  1,\n  [\n    2,\n    3\n  ]\n]"),
        ('{"a":1.50,"a":2E3}', '{\n  "a": 1.50,\n  "a": 2E3\n}'),
        ('{"n":' + "9" * 5000 + "}", '{\n  "n": ' + "9" * 5000 + "\n}"),
        (r'{"a":"x\"y,{z}\u00e9"}', '{\n  "a": "x\\"y,{z}\\u00e9"\n}'),
        ('\ufeff {"a": NaN}', '{\n  "a": NaN\n}'),
        ("%7B%22a%22%3A1%7D", '{\n  "a": 1\n}'),
        ("lead_id=5&name=Ada+Lind&empty=", "lead_id: 5\nname: Ada Lind\nempty: "),
        ("payload=%7B%22a%22%3A%5B1%5D%7D&x=1", 'payload: \n{\n  "a": [\n    1\n  ]\n}\nx: 1'),
        ("lead[id]=5&lead[id]=6", "lead[id]: 5\nlead[id]: 6"),
        ('--B\r\nContent-Disposition: form-data; name="lead_id"\r\n\r\n5\r\n--B--', "lead_id: 5"),
        ("just words", ""),
        ('{"a":', ""),
        ("", ""),
        ("[" * 3000, ""),
    ],
)
def test_body_is_made_readable(body, pretty):
    told = body_text.shown(body.encode())
    assert told.pretty == pretty
    assert told.raw == body.removeprefix("\ufeff")


@pytest.mark.parametrize(
    "body",
    [
        '{"secret_key":"hush hush","a":1}',
        '{"secret_key" : 12345, "a": 1}',
        "secret_key=hush+hush&a=1",
        "a=1&secret_key=hush%20hush",
        '--B\r\nContent-Disposition: form-data; name="secret_key"\r\nContent-Type: text/plain\r\n\r\nhush hush\r\n--B--',
        "%7B%22secret_key%22%3A%22hush%20hush%22%7D",
        "payload=%7B%22secret_key%22%3A%22hush+hush%22%7D",
        r'{"secret\u005fkey":"hu"}',
    ],
)
def test_secret_keys_are_hidden_in_every_writing(body):
    told = body_text.shown(body.encode())
    assert "hush" not in told.pretty
    assert "12345" not in told.pretty + told.raw
    if "\\u" not in body:  # only a parser sees that one
        assert "hush" not in told.raw
    assert "(hidden)" in told.pretty or "(hidden)" in told.raw


HEADER = 'Content-Disposition: form-data; name="secret_key"'


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        (f"{HEADER}\n\nhush\nseen", f"{HEADER}\n\n(hidden)\nseen"),
        (
            f"{HEADER}\r\nMore: x\r\nEven: y\r\n\r\nhush\r\n--B",
            f"{HEADER}\r\nMore: x\r\nEven: y\r\n\r\n(hidden)\r\n--B",
        ),
        (f"{HEADER}\n\nhush\n{HEADER}\n\nhush", f"{HEADER}\n\n(hidden)\n{HEADER}\n\n(hidden)"),
        (f"{HEADER}\n{HEADER}\n\nhush\n\nseen", f"{HEADER}\n{HEADER}\n\n(hidden)\n\nseen"),
        (f"{HEADER.upper()}\n\nhush", f"{HEADER.upper()}\n\n(hidden)"),
        (f"a\n\nb\n{HEADER}\n\n\nseen", f"a\n\nb\n{HEADER}\n\n\nseen"),
        (f"{HEADER}\nseen", f"{HEADER}\nseen"),
    ],
)
def test_of_a_form_in_parts_the_line_of_the_secret_key_is_hidden_and_no_other(body, raw):
    assert body_text.shown(body.encode()).raw == raw


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nothing_that_comes_fails(body):
    told = body_text.shown(body)
    (told.raw + told.pretty).encode()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text().filter(lambda name: name.lower() != "secret_key"), inner)
        ),
    )
)
def test_json_stays_what_it_is(value):
    text = json.dumps(value)
    if text[:1] in "[{":
        assert json.loads(body_text.indented(text)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 900 + b"]" * 900,
        b'["' + b"x" * 1_000_000 + b'"]',
        b'name="secret_key"\n' * 11_000,
        b'name="secret_key"' * 12_000,
        b'name="secret_key"\r\nA: b\r\n' * 8_000,
        b'secret_key" ' * 16_000,
        b'secret_key":' * 16_000,
        b'secret_key":"\\' * 14_000,
        b"secret_key =" * 16_000,
        b"secret_key%22:%20" * 12_000,
        b"[" + b"9" * 5000 + b',"' + b'\\"' * 100_000,
        b"[" + b"9" * 5000 + b',"' + b'\\"' * 100_000 + b"\\",
        b"a=1&" * 250_000,
        b'{"a":"\\ud800"}',
        b"\xff\xfe" + b"\x00\xd8" * 1000,
        b"[" + b"1," * 400_000 + b"1]",
    ],
)
def test_huge_and_broken_bodies_are_shown_soon_and_in_part(body):
    began = time.monotonic()
    told = body_text.shown(body)
    assert time.monotonic() - began < 3
    assert len(told.raw) + len(told.pretty) <= 2 * body_text.MOST
    (told.raw + told.pretty).encode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"action": HOSTILE, "lead": {"first_name": HOSTILE}}),
        f"first_name={HOSTILE}&x=1",
        HOSTILE,
        "</pre><script>alert(1)</script>",
        '{"a":"\\ud800\\u202e{{ x }}{% load %}"}',
    ],
)
def test_hostile_bodies_are_harmless_on_the_page(client, body):
    delivery = DeliveryFactory(body=body.encode(), status="quarantined", applied_at=timezone.now())
    client.force_login(StaffFactory(is_superuser=True))

    answer = client.get(delivery.get_absolute_url())

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<img x-data" not in page
    assert "<script>alert" not in page


# --- a secret key that was found right


SECRET = 'hush "é/ \\x'
SPELLED = {
    "form": urlencode({"a": "1", "secret_key": SECRET, "b": "2"}),
    "form in small letters": urlencode({"secret_key": SECRET}).replace("%C3%A9", "%c3%a9"),
    "form with %20": urlencode({"secret_key": SECRET}, quote_via=quote),
    "json": json.dumps({"secret_key": SECRET, "a": 1}),
    "json with letters": json.dumps({"a": 1, "secret_key": SECRET}, ensure_ascii=False),
    "json of PHP": json.dumps({"secret_key": SECRET}).replace("/", "\\/"),
    "json in percent signs": quote(json.dumps({"secret_key": SECRET}, ensure_ascii=False)),
    "parts": f'--x\r\nContent-Disposition: form-data; name="secret_key"\r\n\r\n{SECRET}\r\n--x--',
}


@pytest.mark.parametrize("body", SPELLED.values(), ids=SPELLED)
def test_right_secret_is_taken_out_in_every_spelling(body):
    hidden = body_text.without_secret(body.encode(), SECRET, "RIGHT").decode()

    before, after = hidden.split("RIGHT")
    assert "hush" not in hidden
    assert body.startswith(before)
    assert body.endswith(after)


@pytest.mark.parametrize(
    ("body", "hidden"),
    [
        (b"price=5&secret_key=5&lead_id=5", b"price=5&secret_key=RIGHT&lead_id=5"),
        (b"secret_key=abc&price=5", b"secret_key=abc&price=5"),
        (b"secret_key=&price=5", b"secret_key=&price=5"),
        (b"secret_key=57", b"secret_key=57"),
        (b"secret_key5", b"secret_key5"),
        (b"secret_key%3D%26price=5", b"secret_key%3D%26price=5"),
        (b'{"secret_key": "", "price": 5}', b'{"secret_key": "", "price": 5}'),
    ],
)
def test_what_only_reads_like_the_secret_stays(body, hidden):
    assert body_text.without_secret(body, "5", "RIGHT") == hidden


KEY = 'K3/y"é=+'


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        KEY.replace("/", "\\/").replace('"', '\\"'),
        json.dumps(KEY)[1:-1],
        "".join(f"\\u{ord(letter):04X}" for letter in KEY),
        quote(KEY, safe=""),
        quote(json.dumps(KEY)[1:-1], safe="").lower(),
    ],
)
def test_a_secret_is_hidden_wherever_it_stands_and_however_it_is_written(written):
    text = f'{{"you sent": "{written}", "é": "\\\\1 \ud800"}}'

    assert body_text.hide_secrets(text, ("other", KEY)) == text.replace(written, "(hidden)")


def test_a_secret_that_is_empty_or_lost_hides_nothing():
    assert body_text.hide_secrets("as it came", ("", LostSecret("stored"))) == "as it came"
