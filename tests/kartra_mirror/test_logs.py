"""What the log masks, whatever stands around it, and how a long text is cut."""

import pytest

from kartra_mirror import logs
from kartra_mirror.logs import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Sent to ada@example.com.", "Sent to (email)"),
        ("'ada+tag@example.co.uk', <ada.l@exämple.de>;x@y.z", "'(email)', <(email)>;(email)"),
        ("email=ada@例え.テスト", "(email)"),
        ('"Ada Lovelace"@example.com wrote', "(email) wrote"),
        (f"to {'a' * 300}@{'b' * 300}.de now", "to (email) now"),
        ("@property and a@b and 5 @ 3.50", "@property and a@b and 5 @ 3.50"),
        ("POST /webhooks/abc-123/ipn?x=1", "POST /webhooks/(token)/ipn?x=1"),
        ("POST /webhooks/ada@example.com/ipn", "POST /webhooks/(token)/ipn"),
    ],
)
def test_addresses_and_tokens_are_masked(text, masked):
    assert mask(text) == masked


def test_long_text_is_cut_and_says_so():
    text = mask(f"begin {'word ' * 3999}")

    assert text.startswith("begin word word")
    assert text.endswith("word … (cut, 20,001 letters)")
    assert len(text) < logs.MOST + 40


@pytest.mark.parametrize(
    "address", ["ada.lovelace@example.com", '"Ada Lovelace"@example.com', "/webhooks/abcdefghijkl"]
)
def test_nothing_of_an_address_is_left_where_it_is_cut(address):
    for shift in range(len(address) + 2):
        before = logs.MOST - shift
        masked = mask(f"{'x ' * (before // 2)}{' ' * (before % 2)}{address} {'y ' * 5000}")

        assert "ada" not in masked.lower()
        assert "love" not in masked.lower()
        assert "abc" not in masked


def test_one_word_longer_than_a_log_line_leaves_nothing_but_its_length():
    assert mask(f"{'a' * 20_000}@example.com") == "… (cut, 20,012 letters)"
    assert mask(f"Invalid HTTP_HOST header: '{'a' * 20_000}'") == "Invalid HTTP_HOST header: '… (cut, 20,028 letters)"
