"""Every word that a person sees in the admin goes through gettext: in a language of brackets nothing stands outside of them.

All data is Greek (see `greek`), so a Latin word outside of the brackets is one of ours that no translator would be asked for.
"""

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from integrations.models import RecoveryCode, SecondFactor, SendingStop
from integrations.sending import alerts, run_mails
from leads import kinds
from leads.models import Lead, RunDraft
from tests.factories import LeadFactory, StaffFactory
from tests.kartra_mirror.admin.languages import pseudo
from tests.kartra_mirror.admin.languages.brackets import DATA, JSON_NAMES, at, check, told_by
from tests.kartra_mirror.admin.languages.greek import KINDS
from tests.kartra_mirror.admin.rows import OURS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_lists(staff, model):
    url = at(f"{model._meta.app_label}_{model._meta.model_name}_changelist")

    check(staff.get(url), staff.get(f"{url}?q=ω"))


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_pages_of_rows(staff, model):
    name = f"{model._meta.app_label}_{model._meta.model_name}_change"
    rows = model._default_manager.values_list("pk", flat=True)[:40]

    check(*(staff.get(at(name, pk), follow=True) for pk in rows), data=JSON_NAMES)


@pytest.mark.parametrize("tab", ["known", "missing", "asked", "out"])
def test_a_list_of_people(staff, made, tab):
    lists = [each.get_absolute_url() for each in made.people_lists.values()]
    out = f"tag-{made.tag.pk}"

    check(*(staff.get(url, {"tab": tab, "out": out, "create": "1"}) for url in lists), data=JSON_NAMES)


@pytest.mark.parametrize(
    "name",
    [
        "index",
        "home_now",
        "home_copies",
        "home_days",
        "home_trials",
        "health",
        "health_now",
        "health_charts",
        "setup",
        "setup_now",
        "failures",
        "decisions",
        "leads_activity_without_us",
        "leads_lead_find",
        "leads_lead_add",
        "leads_lead_export",
        "leads_lead_newcomers",
        "leads_transaction_find",
        "leads_import_add",
        "leads_peoplelist_add",
        "leads_customfield_add",
        "integrations_connection_console",
        "integrations_connection_add",
        "integrations_webhookendpoint_add",
        "auth_user_add",
        "auth_group_add",
        "password_change",
        "own_sign_in",
    ],
)
def test_pages(staff, name):
    check(staff.get(at(name)))


def test_pages_of_those_who_are_not_signed_in(client, made):
    asked, wrong = {"email": "x@1.gr"}, {"username": "ν", "password": "ν"}
    for url, given in ((at("login"), wrong), (reverse("admin_password_reset"), asked)):
        check(client.get(url), client.post(url, given, follow=True))
    check(client.get(reverse("password_reset_confirm", args=["x", "y"])))


def test_second_step_and_sessions(staff, made, settings):
    settings.SECOND_FACTOR = "all"
    url = at("second_factor")
    begin = staff.get(url)
    staff.post(url, {"begin": "1"})
    pages = [begin, staff.get(url), staff.post(url, {"code": "ν"}), staff.post(url, {"code": "ν"})]
    factor = SecondFactor.objects.get()
    data = [*DATA, *factor.secret().split(), "Google", "Authenticator", "Aegis", "1Password", "Password"]
    check(*pages, data=data)
    SecondFactor.objects.update(throttling_failure_timestamp=None, confirmed=True)
    codes = RecoveryCode.objects.make_anew(factor)
    check(staff.get(url))
    staff.post(url, {"code": codes[0]})
    check(staff.get(at("own_sign_in")), staff.get(at("auth_user_change", made.person.pk)))
    staff.post(at("own_sign_in"), {"do": "sign_out"})
    check(staff.get(at("login")))


def test_pages_of_one_who_may_only_look(client, made):
    viewer = StaffFactory(username="ζωή")
    viewer.groups.set(made.colleague.groups.model.objects.filter(name="Viewer"))
    client.force_login(viewer)

    names = ["index", "decisions", "failures", "leads_lead_changelist", "leads_bulkrun_changelist"]
    urls = [at(name) for name in names] + [made.lead.get_absolute_url(), at("decision", made.changes["held"].pk)]
    check(*(client.get(url) for url in urls))


# --- leads


def test_filters_in_use(staff, made):
    filtered = (
        f"tag={made.tag.pk}&tag_all={made.tag.pk}&list={made.list.pk}&list_state=left&sequence_step=2&score_min=1&score_max=9"
        f"&joined_from=2026-01-01&country=Ελλάδα&gdpr=ναι&custom=πεδίο0&custom_how=filled&bought=any&bought_to=2026-01-01"
        f"&refunded={made.product.pk}&plan=any&wish=waiting&copy=due&copy=second&older=3&segment={made.segment.pk}"
        f"&membership_state=ended&calendar_from=2026-01-01&not_source=ω&account={made.account.pk}&membership=1&calendar=1"
    )
    check(
        staff.get(f"{at('leads_lead_changelist')}?{filtered}"),
        staff.get(f"{at('leads_lead_changelist')}?score_min=ω"),
        staff.get(f"{at('leads_lead_changelist')}?q=ω"),
    )


def test_one_lead(staff, made):
    urls = [lead.get_absolute_url() for lead in made.leads]
    spoken = staff.get(at("leads_lead_parts", made.lead.pk))
    wrong = staff.post(urls[0], {"email": "x", "points": "x", "step": "1"})
    nothing = staff.post(urls[0], {})

    check(*(staff.get(url) for url in urls), wrong, nothing, *([spoken] if spoken.status_code == 200 else []))


def test_rights_of_a_person(staff, made):
    LeadFactory(account=made.account, email=made.lead.email, kartra_id="771", first_name="Α", last_name="Β")
    forget, held = at("leads_lead_forget", made.lead.pk), at("leads_lead_held", made.lead.pk)
    check(
        staff.get(forget),
        staff.get(held),
        told_by(staff, forget, {"typed": "x", "asked_on": "2999-01-01"}),
        told_by(staff, held, {"as": "page", "asked_on": "x"}),
    )


def test_adding_a_lead(staff, made):
    add = at("leads_lead_add")
    check(
        told_by(staff, add),
        told_by(staff, add, {"email": "x", "points": "x", "expires_in_days": "3"}),
        told_by(staff, add, {"email": "x@1.gr", "sequence": "Αρχή"}),
        told_by(staff, add, {"email": "x@1.gr", "expires_in_days": "3"}),
        told_by(
            staff, add, {"email": "x@1.gr", "date": "2020-01-01", "hour": "10:00", "calendar": "Ώρα", "class": "Πρώτη"}
        ),
        told_by(staff, add, {"email": "x@1.gr", "calendar": "Ώρα", "class": "Πρώτη", "date": "2031-01-01"}),
        told_by(staff, add, {"email": "x@1.gr", "business_type": "ω", "tag": ["ω"], "custom.πεδίο3": "ω"}),
        told_by(staff, add, {"email": "3@1.gr"}),
        told_by(staff, add, {"email": "y@1.gr", "company": "<Α>"}, silent=True),
        told_by(staff, add, {"email": "z@1.gr", "city": "Άργος", "tag": ["Φίλοι"], "points": "5"}),
    )


def test_newcomers_from_a_file(staff, made):
    url = at("leads_lead_newcomers")
    good = SimpleUploadedFile("αρχείο", "Email,First name,ω\nx@1.gr,Α,ω\n3@1.gr,Β,ω\nω,Γ,ω\n".encode())
    bad = SimpleUploadedFile("αρχείο", b"PK\x03\x04")
    account = str(made.account.pk)
    page = staff.post(url, {"account": account, "file": good}, follow=True)

    check(told_by(staff, url), told_by(staff, url, {"account": account, "file": bad}), page)


@pytest.mark.parametrize("kind", sorted(kinds.IN_BULK))
def test_bulk_action_of_each_kind(staff, made, kind):
    def draft():
        lead = made.leads[2] if kind != "update_lead" else made.lead
        return staff.post(at("leads_lead_prepare", lead.pk, kind)).url

    url, wrong = draft(), draft()
    given = KINDS[kind]
    answers = [staff.get(url), staff.post(wrong, {"do": "preview", "points": "x", "step": "x", "tag": "ω"})]
    staff.post(url, {"do": "preview", "why": "Γιατί", **given})
    answers.append(staff.get(url))
    answers.append(staff.post(url, {"do": "start", "mark": "1/9/9"}, follow=True))
    shown = staff.get(url).context["preview"]
    answers.append(staff.post(url, {"do": "start", "mark": shown["mark"]}, follow=True))

    check(*answers)


def test_several_kinds_to_many_leads(staff, made):
    chosen = {"action": "assign_tag", "_selected_action": [made.lead.pk], "select_across": "1", "index": "0"}
    url = staff.post(at("leads_lead_changelist"), chosen).url
    staff.post(url, {"do": "add", "kind": "subscribe_list", "tag": "Φίλοι"})
    staff.post(url, {"do": "add", "kind": "subscribe_sequence", "tag": "Φίλοι"})
    staff.post(
        url, {"do": "preview", "tag": "Φίλοι", "2-list": "Νέα", "3-sequence": "Αρχή", "3-step": "2", "anyway": "on"}
    )

    check(
        staff.get(url),
        told_by(staff, url, {"do": "read"}),
        staff.post(url, {"do": "try", "mark": staff.get(url).context["preview"]["mark"]}, follow=True),
    )
    check(staff.get(url))


def test_no_leads_and_leads_of_two_accounts(staff, made):
    none = RunDraft.objects.create(
        created_by=made.person, kind="assign_tag", selection={"version": 1, "leads": {"ids": [0]}}
    )

    check(staff.get(none.get_absolute_url(), follow=True), told_by(staff, f"{at('leads_lead_export')}?_ids=0"))


def test_approvals(staff, client, made):
    url = made.draft.get_absolute_url()
    asked, refused = staff.get(url), staff.post(url, {"do": "refuse", "refused_why": "Όχι"}, follow=True)
    client.force_login(made.colleague)
    seen = client.get(url)

    check(asked, refused, seen, data=["Ask"])


# --- bulk actions, decisions, failures


def test_bulk_actions(staff, made):
    answers = []
    for run in made.runs.values():
        check(staff.get(at("leads_bulkrun_progress", run.pk)))
        answers += [staff.get(run.get_absolute_url()), staff.get(at("leads_bulkrun_undo", run.pk), follow=True)]
        steer = at("leads_bulkrun_steer", run.pk)
        answers += [told_by(staff, steer, {"do": do}, silent=True) for do in ("pause", "resume", "cancel")]
        answers.append(told_by(staff, steer, {"do": "cancel"}))  # by now there is nothing to cancel

    check(*answers)


# --- mails


def test_mails(made):
    made.runs["finished"].__class__.objects.update(mail_wanted=True)

    run_mails.drain()
    sentences = [alerts.beginning(stop) for stop in SendingStop.objects.all()] + [
        alerts.end(stop) for stop in SendingStop.objects.all()
    ]

    texts = [line for each in mail.outbox for line in (each.subject, *each.body.splitlines())]
    assert texts
    assert [text for text in (*texts, *sentences) if pseudo.untranslated(text, DATA | {"UTC"})] == []


# --- the test itself


def test_what_is_looked_for_is_found():
    """The test would be worth nothing if it found nothing."""
    page = f'<p title="A title">{pseudo.pseudo("Read it.")}</p><pre>raw</pre><b>Save Μαρία</b><i>ada@x.gr</i>'

    assert pseudo.words_left(page) == ["<p title> A title", "<b> Save Μαρία"]
    assert pseudo.pseudo("Read %(number)s <a href=x>leads</a>.") == "⟦Read ⟧%(number)s <a href=x>⟦leads⟧</a>."
    assert issubclass(Lead, object)
