"""A bulk action from the list to its preview, as a browser asks for it."""

LEADS = "/admin/leads/lead/"


def choose(client, leads=(), *, everything=False, query="", kind="assign_tag"):
    """The drop-down action, as the browser sends it."""
    given = {
        "action": kind,
        "_selected_action": [lead.pk for lead in leads],
        "select_across": "1" if everything else "0",
        "index": "0",
    }
    answer = client.post(f"{LEADS}{query}", given)
    assert answer.status_code == 302, answer.content[:300]
    return answer.url


def preview(client, url, **given):
    client.post(url, {"do": "preview", "tag": "VIP", **given})
    return client.get(url).context["preview"]
