"""A person is placed by every entrance in every spelling, and forgotten: no table and no file holds anything of them any more.

What is looked for is decoded here by other code than the product's.
"""

import base64
import html
import io
import json
import re
import zlib
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command

from integrations.models import Delivery
from leads import changes, importing, kinds
from leads.models import Import, ImportChunk, LeadChange, Segment
from tests.factories import SegmentFactory
from tests.flows.placed import EMAIL, ENTRANCES, ID, NAME, World, files

pytestmark = pytest.mark.django_db

LOOKED_FOR = re.compile(
    "|".join([ID, "ada.sentinel", "old.sentinel", "quokkason", r"555\D{0,3}748\D{0,3}39\D{0,3}21", "wombat", "bilby"])
)


# --- what a dump holds


def decoded(text, rounds=3):
    yield text
    for _ in range(rounds):
        text = html.unescape(unquote(text, errors="replace"))
        text = re.sub(r"\\+u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
        text = text.replace("\u200b", "").replace("\\n", " ")
        yield text
    for word in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
        try:
            yield base64.b64decode(word[: len(word) // 4 * 4]).decode(errors="replace")
        except ValueError:
            continue


def texts_of(value):
    if isinstance(value, bytes | memoryview):
        body = bytes(value)
        for each in (body, body.replace(b"\0", b"")):
            yield from (each.decode(errors="replace"), each.decode("utf-16", errors="replace"))
        for wbits in (47, 15):
            try:
                yield zlib.decompressobj(wbits=wbits).decompress(body).decode(errors="replace")
            except zlib.error:
                continue
    elif value is not None:
        yield json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def held():
    """Where something of her is: {table or file: what}."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            for value in model._default_manager.values_list(field.attname, flat=True):
                for text in (each for whole in texts_of(value) for each in decoded(whole)):
                    if match := LOOKED_FOR.search(text.casefold().replace("+", " ")):
                        found.setdefault(f"{model._meta.label}.{field.name}", []).append(match[0])
    for path in (path for path in Path(settings.VAR_DIR).rglob("*") if path.is_file()):
        for text in (path.name, path.read_bytes().decode(errors="replace")):
            if match := LOOKED_FOR.search(text.casefold()):
                found.setdefault(str(path), []).append(match[0])
    return found


@pytest.fixture
def world(connection, client, sandbox, tmp_path):
    settings_before = settings.VAR_DIR
    settings.VAR_DIR = tmp_path
    yield World(connection, client)
    settings.VAR_DIR = settings_before


@pytest.mark.parametrize("entrance", ENTRANCES, ids=lambda each: each.__name__)
def test_nothing_is_left_after_forgetting(world, entrance, caplog):
    caplog.set_level("INFO")
    entrance(world)
    assert held()

    call_command("forget", "--lead", ID, "--yes", stdout=io.StringIO())

    assert held() == {}
    assert not LOOKED_FOR.search(caplog.text.casefold())


def test_what_is_about_others_stays(world):
    for entrance in ENTRANCES:
        entrance(world)
    others = world.nobodys(b"lead_email=ada.sentinel2%40quokka.example.com&lead_id=7744330191")
    kept = SegmentFactory(account=world.account, name="Adalinde", conditions={"q": ["sentinel"]})
    waiting = changes.record_changes(
        world.other, kinds.get_kind("update_lead"), {"company": f"Ask {NAME}"}, by=world.author
    )
    before = LeadChange.objects.filter(lead=world.other).count()

    call_command("forget", "--lead", EMAIL, "--yes", stdout=(out := io.StringIO()))

    world.other.refresh_from_db()
    assert (world.other.notes, world.other.custom_values) == (
        "Married to […], […]; likes tea",
        {"friend": "[…]", "shirt": "L"},
    )
    others.refresh_from_db()
    assert bytes(others.body) == b"lead_email=ada.sentinel2%40quokka.example.com&lead_id=7744330191"
    assert Segment.objects.filter(pk=kept.pk, name="Adalinde").exists()
    assert LeadChange.objects.filter(lead=world.other).count() == before
    assert LeadChange.objects.get(pk=waiting[0].pk).parameters == {"company": f"Ask {NAME}"}
    assert "still to be sent and name the person: 1" in out.getvalue()
    assert get_user_model().objects.filter(pk=world.author.pk).exists()


def test_of_a_message_size_digest_and_verdict_stay(world):
    message = world.nobodys(f"x {EMAIL}".encode(), action="assign_tag")
    told = Delivery.objects.filter(pk=message.pk).values("size", "digest", "status", "channel", "received_at", "action")
    before = told.get()

    call_command("forget", "--lead", ID, "--yes", stdout=io.StringIO())

    assert told.get() == before
    assert bytes(Delivery.objects.get(pk=message.pk).body) == b""


def test_upload_goes_on_without_her(world):
    files(world)
    job = Import.objects.filter(kept=True).order_by("pk").first()
    size = sum(
        len(zlib.decompress(bytes(each)))
        for each in ImportChunk.objects.filter(file=job).values_list("content", flat=True)
    )

    call_command("forget", "--lead", ID, "--yes", stdout=io.StringIO())

    after = [zlib.decompress(bytes(each)) for each in job.chunks.order_by("number").values_list("content", flat=True)]
    assert sum(map(len, after)) == size
    job.refresh_from_db()
    rows = importing.samples(job, importing.open_kept(job, piece=70), 10)
    assert [row[0] for row in rows] == ["bo@example.com"]
