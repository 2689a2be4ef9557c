"""Whether all texts of an answer, or of what a page is told meanwhile, went through gettext."""

from django.urls import reverse

from tests.kartra_mirror.admin.languages import pseudo

DATA = frozenset(
    [
        "Kartra",
        "Mirror",
        "Viewer",
        "Support",
        "Marketer",
        "Manager",
        "Engineer",  # the product, groups of the database
        "sale",
        "Sale",
        "rebill",
        "Rebill",
        "refund",
        "Refund",
        "failed",
        "Failed",  # Kartra's own words for transactions
        "checkbox",
        "ipn",
        "Ipn",
        "localhost",
        "UTC",  # a time zone
        "Axes",
        "true",
        "false",
        "md",  # the hash of passwords in tests is md5
    ]
)

JSON_NAMES = [
    "tag",
    "list",
    "sequence",
    "calendar",
    "class",
    "membership",
    "level",
    "points",
    "step",
    "field",
    "was",
    "is",
    "city",
    "blacklisted",
]
"""Names in what is kept as JSON and shown as it is."""


def check(*answers, data=()):
    """No text of these answers is left outside of the brackets. All that are left are told at once."""
    found = {}
    assert answers
    for answer in answers:
        assert answer.status_code == 200, (answer.request["PATH_INFO"], answer.status_code, answer.content[:500])
        where = f"{answer.request['PATH_INFO']}?{answer.request['QUERY_STRING']}".rstrip("?")
        if left := pseudo.words_left(answer.content.decode(), DATA | set(data)):
            found[where] = left
    told = "\n".join(f"{where}\n    " + "\n    ".join(dict.fromkeys(left)) for where, left in found.items())
    assert not found, f"Texts that did not go through gettext:\n{told}"


def told_by(client, url, given=None, *, silent=False):
    """Post; the page that follows, which has to say something: in a message, or at a field of a form."""
    answer = client.post(url, given or {"nothing": "given"}, follow=True)
    shown = [value for layer in answer.context or () for scope in layer.dicts for value in scope.values()]
    said = [value for value in shown if getattr(value, "errors", None)] + list(answer.context.get("messages") or ())
    assert said or silent, f"{url} said nothing"
    return answer


def at(name, *args):
    return reverse(f"admin:{name}", args=args)
