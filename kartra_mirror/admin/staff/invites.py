"""Inviting a colleague by mail address and group. The mail holds a link to choose a password; without a mail server the page
shows the link, to be passed on by hand. One can give only what one has oneself."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, gettext_lazy

from integrations.sending.password_mails import link_for
from kartra_mirror import mails
from kartra_mirror.groups import WORDS
from kartra_mirror.ui.unfold_adapter import style
from leads import access
from leads.models import Account, StaffLimits


def groups_to_give(user: access.RequestUser) -> QuerySet[Group]:
    """The groups a person may put others into: those that may do nothing the person may not do."""
    if user.is_superuser:
        return Group.objects.order_by("name")
    own = [name.split(".") for name in user.get_all_permissions()]
    mine = [
        pk
        for pk, app, codename in Permission.objects.values_list("pk", "content_type__app_label", "codename")
        if [app, codename] in own
    ]
    beyond = Group.permissions.through.objects.filter(group=OuterRef("pk")).exclude(permission__in=mine)
    return Group.objects.filter(~Exists(beyond)).order_by("name")


def _rights(user: access.RequestUser) -> set[str]:
    """What somebody may do, or may do again once they are active: Django tells of one who is not active that they may do
    nothing."""
    given = Permission.objects.filter(Q(user=user) | Q(group__user=user)).order_by()
    return {f"{app}.{codename}" for app, codename in given.values_list("content_type__app_label", "codename")}


def may_manage(user: access.RequestUser, other: Any) -> bool:
    """Whether the person may change, or make a link for, somebody else: no more rights, no wider bounds and no more accounts
    than their own."""
    if user.is_superuser:
        return True
    if other.is_superuser or not _rights(other) <= user.get_all_permissions() or not access.goes_as_far(user, other):
        return False
    mine, theirs = access.accounts_of(user), access.accounts_of(other)
    return mine is None or (theirs is not None and theirs <= mine)


class LimitedForm(forms.Form):
    """The accounts somebody may work in, as two fields of a form. `by` is who decides it."""

    limited = forms.BooleanField(
        label=gettext_lazy("Only some accounts"),
        required=False,
        help_text=gettext_lazy("Then the person sees, and works in, only the accounts chosen here."),
    )
    accounts = forms.ModelMultipleChoiceField(
        Account.objects.order_by("name"),
        label=gettext_lazy("Accounts"),
        required=False,
        widget=forms.CheckboxSelectMultiple(),
    )


def narrow(form: Any, by: Any) -> None:
    """Leave in a form only the accounts of the one who fills it in; one with some accounts cannot give all."""
    mine = access.accounts_of(by)
    if mine is not None:
        form.fields["accounts"].queryset = Account.objects.filter(pk__in=mine).order_by("name")
        form.fields["limited"].initial = True
        form.fields["limited"].disabled = True


def check_bounds(form: Any, by: Any, whom: User | None = None) -> None:
    """Refuse groups by which somebody (also the person themselves) would go further alone than the one who chooses them."""
    groups = form.cleaned_data.get("groups")
    if groups is not None and not by.is_superuser and not access.goes_as_far(by, whom, groups):
        form.add_error("groups", _("In these groups they could do more at once, or refund more, than you may."))


def save_limits(user: User, limited: bool, accounts: Any) -> None:
    row, _made = StaffLimits.objects.update_or_create(user=user, defaults={"limited": limited})
    row.accounts.set(accounts if limited else [])


class _Groups(forms.ModelMultipleChoiceField):
    """Groups with what each does."""

    def label_from_instance(self, group: Any) -> str:
        return f"{group.name}: {WORDS[group.name]}" if group.name in WORDS else str(group.name)


class InviteForm(LimitedForm):
    email = forms.EmailField(label=gettext_lazy("Mail address"), max_length=150)
    groups = _Groups(Group.objects.none(), label=gettext_lazy("Groups"), widget=forms.CheckboxSelectMultiple())
    field_order = ["email", "groups", "limited", "accounts"]

    def __init__(self, by: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        groups: Any = self.fields["groups"]
        groups.queryset = groups_to_give(by)
        narrow(self, by)
        style(self)

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email__iexact=email).exists() or User.objects.filter(username__iexact=email).exists():
            raise forms.ValidationError(
                _("Somebody has this mail address already. Open that person under Users instead.")
            )
        return email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("limited") and not cleaned.get("accounts"):
            self.add_error("accounts", _("Choose at least one account."))
        check_bounds(self, self.by)
        return cleaned


def page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask for address, groups and accounts; then the colleague exists, without a password, and is told."""
    by: Any = request.user
    form = InviteForm(by, request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with transaction.atomic():
            user = User(username=given["email"], email=given["email"], is_staff=True)
            user.set_unusable_password()
            user.save()
            user.groups.set(given["groups"])
            save_limits(user, given["limited"], given["accounts"])
            groups = ", ".join(group.name for group in given["groups"])
            model_admin.log_addition(request, user, _("Invited into %(groups)s.") % {"groups": groups})
        return tell(model_admin, request, user)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Invite a colleague"),
        "opts": User._meta,
        "form": form,
        "button": _("Invite"),
        "words": _("They get a mail with a link to choose a password.")
        if mails.are_set_up()
        else _("No mail server is set up here, so the next page shows a link for you to pass on."),
    }
    return TemplateResponse(request, "admin/ui/form.html", context)


def tell(model_admin: Any, request: HttpRequest, user: User) -> HttpResponse:
    """Send the link, or show it where no mail goes out."""
    link, problem = link_for(user), ""
    try:
        mails.send(
            user.email,
            _("Your access to Kartra Mirror"),
            "admin/staff/invitation.txt",
            {"link": link, "by": request.user, "user": user},
        )
    except mails.NotSent as error:
        problem = str(error)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Invited: %(who)s") % {"who": user.email or user.username},
        "opts": User._meta,
        "invited": user,
        "problem": problem,
        "link": link if problem else "",
    }
    return TemplateResponse(request, "admin/staff/invited.html", context)
