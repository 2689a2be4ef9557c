"""A person placed by every entrance, in every spelling: messages, files, what colleagues type, changes and calls."""

import base64
import gzip
import io
import json
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from integrations import receive
from integrations.models import ApiCall, Attempt, SendingStop
from leads import importing
from leads.changes import conflicts
from leads.models import Activity, ImportKind, Lead, RunDraft, Transaction
from leads.people import lists, reading
from tests.factories import (
    BulkRunFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    SegmentFactory,
    StaffFactory,
    WebhookEndpointFactory,
)

ID, EMAIL, OLD = "774433019", "Ada.Sentinel@quokka.example.com", "old.sentinel@quokka.example.com"
FIRST, LAST, PHONE, STREET = "Adalinde", "Quokkason", "5557483921", "4711 Wombat Crescent"
BILLED = "9 Bilby Boulevard 4040"
"""A street that only a payment message of hers tells."""
NAME = f"{FIRST} {LAST}"
VALUES = {
    "id": ID,
    "email": EMAIL,
    "old address": OLD,
    "name": NAME,
    "phone": PHONE,
    "street": STREET,
    "billed": BILLED,
}


def escaped(text):
    return "".join(f"\\u{ord(each):04x}" for each in text)


SPELLINGS = {
    "plain": lambda text: text,
    "capitals": str.upper,
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "plus for space": lambda text: quote(text, safe="").replace("%20", "+"),
    "every letter in percent": lambda text: "".join(f"%{each:02X}" for each in text.encode()),
    "JSON escapes": escaped,
    "JSON escapes twice": lambda text: escaped(text).replace("\\", "\\\\"),
    "sign in JSON": lambda text: json.dumps(text).strip('"').replace("@", "\\u0040"),
    "HTML": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "HTML sign": lambda text: text.replace("@", "&commat;").replace(" ", "&#x20;"),
    "base64": lambda text: base64.b64encode(f"<{text}>-padding".encode()).decode(),
    "invisible letters": lambda text: text[:3] + "\u200b" + text[3:],
}
IN_WORDS = ["plain", "capitals", "percent", "plus for space", "invisible letters", "sign in JSON"]
"""How somebody may type or paste it."""
IN_BYTES = {
    "as it is": lambda text: f"garbage \x01 {text} \x02".encode(),
    "beside what is no text": lambda text: b"\xff\xfa\x00" + f" {text} ".encode() + b"\x81\xfe",
    "a form": lambda text: f"a=1&value={text}&b=2".encode(),
    "broken JSON": lambda text: f'{{"action":"assign_tag","x":"{text}","broken'.encode(),
    "UTF-16 with a mark": lambda text: f"x {text} y".encode("utf-16"),
    "UTF-16 without": lambda text: f"x {text} y".encode("utf-16-le"),
    "packed": lambda text: gzip.compress(f"x {text} y".encode()),
}


# --- the entrances


class World:
    """An account with the person in it, somebody else, and a colleague who is signed in."""

    def __init__(self, connection, client):
        self.connection, self.account, self.client = connection, connection.account, client
        self.author = StaffFactory(is_superuser=True)
        client.force_login(self.author)
        self.endpoint = WebhookEndpointFactory(connection=connection, ipn_secret="secret-of-ipn")
        self.lead = LeadFactory(
            account=self.account,
            kartra_id=ID,
            email=EMAIL,
            first_name=FIRST,
            last_name=LAST,
            phone=PHONE,
            phone_country_code="1",
            address=STREET,
            notes=f"{NAME} called",
            custom_values={"pet": f"{NAME}'s cat"},
        )
        self.lead.emails.create(email=OLD, email_key=OLD, since=timezone.now())
        bill = f"transaction_type=SALE&lead_email={quote(EMAIL)}&shipping_address={quote(BILLED)}"
        self.nobodys(bill.encode(), status="applied", channel="ipn", lead=self.lead)
        self.other = LeadFactory(account=self.account, first_name="Bo", last_name="Berg", email="bo@example.com")

    def post(self, body, ipn=False, **how):
        url = self.endpoint.ipn_url if ipn else self.endpoint.outbound_url
        return self.client.post(url.removeprefix(settings.PUBLIC_URL), body, content_type="text/plain", **how)

    def nobodys(self, body, status="quarantined", **given):
        applied = None if status == "waiting" else timezone.now()
        return DeliveryFactory(
            endpoint=self.endpoint, body=body, status=status, applied_at=applied, size=len(body), **given
        )

    def change(self, lead, **given):
        settled = {"status": "accepted", "settled_at": timezone.now()}
        return LeadChangeFactory(lead=lead, **{**settled, **given})


def webhooks(world):
    """Messages of hers, in JSON, with escapes, and as forms; payment messages with and without what says whose they are."""
    event = {"action": "assign_tag", "action_details": {"tag": {"tag_name": "VIP"}}}
    profile = {"id": ID, "email": EMAIL, "first_name": FIRST, "last_name": LAST, "address": STREET, "phone": PHONE}
    world.post(json.dumps({**event, "lead": profile}))
    world.post(json.dumps({**event, "lead": profile}).replace("@", "\\u0040"))
    world.post(f"payload={quote(json.dumps({**event, 'lead': profile}))}")
    world.post(json.dumps({"action": "unheard_of", "lead": profile}))
    sale = {"transaction_id": "81", "transaction_type": "SALE", "transaction_full_amount": "5.00"}
    hers = {"lead_id": ID, "lead_email": EMAIL, "shipping_address": BILLED}
    form = "&".join(f"{name}={quote(text)}" for name, text in {**sale, **hers, "secret_key": "secret-of-ipn"}.items())
    world.post(form, ipn=True)
    world.post(form.replace("secret-of-ipn", "wrong"), ipn=True)
    world.post(f"transaction_id=82&transaction_type=SALE&shipping_address={quote(STREET)}", ipn=True)
    world.post(f"transaction_id=83&transaction_type=SALE&lead_address={quote(BILLED)}", ipn=True)
    world.post("transaction_id=84&transaction_type=SALE&lead_first_name=Adalinde&lead_last_name=Quokkason", ipn=True)
    world.post(json.dumps({**event, "lead": profile, "long": "x" * 1_100_000}))
    receive.drain()


def unreadable(world):
    """What could not be read, in every spelling of every value, in every kind of bytes."""
    for spell in SPELLINGS.values():
        for text in VALUES.values():
            for wrap in IN_BYTES.values():
                world.nobodys(wrap(spell(text if text != ID else f"lead_id={ID}")))
    world.nobodys(f"not yet read {EMAIL}".encode(), status="waiting")
    world.nobodys(f"cut off {STREET}".encode(), truncated=True, status="refused", reason={"what": "too_large"})
    world.nobodys(b"{}", headers={"User-Agent": f"for {EMAIL}"}, action=f"about {ID}", family=f"tag:{EMAIL}")


def files(world):
    """Bad rows, an upload that nobody has started, names of files, and a file of bad rows beside what was loaded."""
    folder = Path(settings.VAR_DIR) / "people"
    folder.mkdir(exist_ok=True)
    path = folder / "loaded.csv"
    path.write_text(f"Email,First name,Score\n{EMAIL},{NAME},many\nbo@example.com,Bo,several\n")
    call_command("import_leads", str(path), "--connection", world.connection.name, stdout=io.StringIO())
    path.unlink()
    rows = [
        EMAIL,
        OLD,
        f"x@example.com,{FIRST},{LAST},{STREET}",
        f"y@example.com,,,{PHONE[:3]}-{PHONE[3:6]}-{PHONE[6:]}",
    ]
    text = "Email,First name,Last name,Address,Kartra id\n" + "\n".join(
        [*rows, f"z@example.com,,,,{ID}", "bo@example.com"]
    )
    for encoding in ("utf-8", "utf-16", "utf-16-le"):
        name = f"{NAME}.csv" if encoding == "utf-8" else "people.csv"
        file = io.BytesIO(text.encode(encoding))
        importing.create(world.account, ImportKind.LEADS, file, name, keep=True, piece=70)
    given = {"account": world.account.pk, "kind": "leads", "file": SimpleUploadedFile(f"{EMAIL}.csv", text.encode())}
    assert world.client.post(reverse("admin:leads_import_add"), given).status_code == 302


def people_lists(world):
    """Rows that are hers or name her, however typed, of lists that are read; others that wait to be read."""
    spelled = [SPELLINGS[how](text) for how in IN_WORDS for text in (EMAIL, OLD, NAME)]
    cells = [f'"{text}"' for text in spelled if '"' not in text]
    table = "Email,First name,Last name,Note\n" + "".join(
        f"p{n}@example.com,,,{cell}\n" for n, cell in enumerate(cells)
    )
    table += f"{EMAIL},{FIRST},{LAST},x\nnobody,{FIRST},{LAST},x\nKartra {ID},,,\nbo@example.com,Bo,Berg,\n"
    lines = "\n".join([*spelled, f'"{NAME}" <{EMAIL}>', "bo@example.com"]) + f"\nbo@example.com, {OLD}; cy@example.com"
    for read in (True, False):
        for name, text in (("table", table), ("lines", lines), (NAME, f"Kartra id,Email\n{ID},\n,bo@example.com\n")):
            made = lists.create(world.account, io.BytesIO(text.encode()), f"{name}.csv", piece=70)
            while read and reading.read(made, piece=70):
                pass


def typed(world):
    """What colleagues typed: filters, drafts, reasons, names, and what stands in the log of it."""
    words = [SPELLINGS[how](text) for how in IN_WORDS for text in VALUES.values()]
    for number, text in enumerate(words):
        SegmentFactory(account=world.account, name=f"Filter {number}", conditions={"q": [text]})
        SegmentFactory(account=world.account, name=f"{text} ({number})", conditions={"country": ["Canada"]})
        selection = {"version": 1, "leads": {"condition": "search", "values": {"q": [text]}}}
        draft = {"created_by": world.author, "kind": "assign_tag", "account": world.account}
        RunDraft.objects.create(**draft, selection=selection, listed=f"q={quote(text)}")
        ids = {"version": 1, "leads": {"ids": [world.other.pk]}}
        RunDraft.objects.create(
            **draft, selection=ids, parameters={"form": {"why": text}, "clean": {}}, refused_why=text
        )
        world.change(world.lead, why=text)
        world.change(world.other, why=text, closed_why=text)
        BulkRunFactory(account=world.account, name=f"Tag for {text}"[:200], why=text, paused_why=text)
        SendingStop.objects.create(
            connection=world.connection, stopped_by="person", why=text, began_at=timezone.now(), ended_at=timezone.now()
        )
        answer = world.client.post(
            f"{reverse('admin:leads_lead_export')}?{'&'.join(['q=' + quote(text)])}", {"form": "mirror"}
        )
        assert answer.status_code in (200, 302)
        list(getattr(answer, "streaming_content", ()))
    people = [[2, {"email": EMAIL, "first_name": FIRST}], [3, {"email": "bo@example.com"}]]
    RunDraft.objects.create(
        created_by=world.author,
        account=world.account,
        kind="create_lead",
        selection={"people": people, "file": f"{EMAIL}.csv", "bad": [[4, OLD]]},
        parameters={"people": 2, "clean": {}, "form": {}},
    )


def changes_and_calls(world):
    """Wishes, a decision, calls by hand, and what others' rows hold of her."""
    for name, text in VALUES.items():
        parameters = {"notes": f"{name}: {text}"}
        for lead in (world.lead, world.other):
            world.change(lead, kind="update_lead", parameters=parameters, baseline=parameters, message=text)
            Activity.objects.create(
                account=world.account,
                lead=lead,
                kind="changed_in_kartra",
                at=timezone.now(),
                source="refresh",
                details={"field": "notes", "was": f"about {text}", "is": f"<{text}>"},
            )
    undecided = LeadChangeFactory(lead=world.lead, status="undecided", reason="outcome", family="tag:x")
    conflicts.decide(undecided, "give-up", by=world.author, why=f"{NAME} told us")
    for lead in (None, world.lead, world.other):
        call = ApiCall.objects.create(
            connection=world.connection,
            lead=lead,
            cause="console",
            commands=f"get_lead, {EMAIL}",
            claimed_at=timezone.now(),
            finished_at=timezone.now(),
            outcome="answered",
            message=f"No lead {EMAIL}",
            answer=json.dumps({"lead": {"id": ID, "email": EMAIL}}),
        )
    change = world.change(world.other)
    Attempt.objects.create(
        change=change, call=call, position=0, command="x", proof="done", message=EMAIL, before={"x": NAME}
    )
    Transaction.objects.create(account=world.account, kartra_id="70001", lead=world.lead, raw={"lead_email": EMAIL})
    Transaction.objects.create(
        account=world.account, kartra_id="70002", lead=None, raw={"lead_email": EMAIL, "lead_id": ID}
    )
    Lead.objects.filter(pk=world.other.pk).update(
        notes=f"Married to {NAME}, {STREET}; likes tea",
        custom_values={"friend": EMAIL, "shirt": "L"},
        extra={"x": PHONE},
    )


ENTRANCES = [webhooks, unreadable, files, people_lists, typed, changes_and_calls]
