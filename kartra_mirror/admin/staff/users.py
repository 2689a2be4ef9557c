"""Users and groups. Nobody gives away more than they have: groups, accounts, and whom one may change are bound by it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin, UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _, ngettext

from kartra_mirror.admin.staff import invites
from kartra_mirror.admin.staff.permission_names import PermissionChoice
from kartra_mirror.entry import second_factor
from kartra_mirror.ui.unfold_adapter import AdminPasswordChangeForm, ModelAdmin, UserChangeForm, UserCreationForm, style
from leads import access
from leads.models import Account, GroupLimits, StaffSessions

admin.site.unregister([User, Group])

PERSON = (None, {"fields": ["username", "first_name", "last_name", "email"]})
WORK = (_("What they may do"), {"fields": ["is_active", "groups", "limited", "accounts"]})
BEYOND = (_("Beyond groups"), {"fields": ["is_staff", "is_superuser", "user_permissions"], "classes": ["collapse"]})


class UserForm(UserChangeForm):
    """A person, with the accounts they may work in."""

    limited = invites.LimitedForm.base_fields["limited"]
    accounts = invites.LimitedForm.base_fields["accounts"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "is_active" in self.fields:  # it is not on the page of somebody whom one may only look at
            self.fields["is_active"].help_text = _(
                "Untick this for somebody who has left. They can no longer sign in; what they did stays."
            )
        limits = getattr(self.instance, "limits", None)
        if limits is not None:
            self.initial.update(limited=limits.limited, accounts=list(limits.accounts.all()))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("limited") and not cleaned.get("accounts"):
            self.add_error("accounts", _("Choose at least one account."))
        return cleaned


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    change_form_template = "admin/staff/user_page.html"
    list_display = ["username", "email", "name", "in_groups", "in_accounts", "last_login", "is_active"]
    list_filter = ["groups", "is_active"]
    filter_horizontal = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With the accounts of each that are the reader's too, and the number of all of them."""
        mine = Prefetch("limits__accounts", access.only_mine(Account.objects.order_by("name"), request.user))
        rows = super().get_queryset(request).annotate(number_of_accounts=Count("limits__accounts"))
        return rows.prefetch_related("groups", mine)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return [PERSON, WORK, BEYOND] if request.user.is_superuser else [PERSON, WORK]

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        by = request.user

        class NarrowedForm(form):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **given: Any) -> None:
                super().__init__(*args, **given)
                if "accounts" in self.fields:
                    invites.narrow(self, by)

            def clean(self) -> Any:
                cleaned = super().clean()
                invites.check_bounds(self, by, self.instance)
                return cleaned

        return NarrowedForm

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs.update(queryset=invites.groups_to_give(request.user), widget=forms.CheckboxSelectMultiple())
        if db_field.name == "user_permissions":
            kwargs["form_class"] = PermissionChoice
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or invites.may_manage(request.user, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or invites.may_manage(request.user, obj))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """To add somebody is to invite them."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return invites.page(self, request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/link/", view(self.link_view), name="auth_user_link"),
            path("<int:pk>/sign-out/", view(self.sign_out_view), name="auth_user_sign_out"),
            path("<int:pk>/second-step/", view(self.factor_view), name="auth_user_factor"),
            *super().get_urls(),
        ]

    def link_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new link to choose a password, for one who lost it or never came."""
        user = self._managed(request, pk)
        if not user.is_active:
            raise Http404
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:auth_user_change", args=[pk]))
        self.log_change(request, user, str(_("Made a link to choose a password.")))
        return invites.tell(self, request, user)

    def sign_out_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End all sessions of somebody, as when a machine is lost."""
        user = self._managed(request, pk)
        if request.method == "POST":
            StaffSessions.objects.end_all(user)
            self.log_change(request, user, str(_("Ended all sessions.")))
            messages.success(request, _("%(who)s is signed out on every device.") % {"who": user})
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[pk]))

    def factor_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take away the second step of one who lost the phone, and end their sessions: it may be in other hands."""
        user = self._managed(request, pk)
        if request.method == "POST" and second_factor.take_away(user):
            StaffSessions.objects.end_all(user)
            self.log_change(request, user, str(_("Removed the second step.")))
            messages.success(request, _("%(who)s sets up a new phone at the next sign-in.") % {"who": user})
        return HttpResponseRedirect(reverse("admin:auth_user_change", args=[pk]))

    def _managed(self, request: HttpRequest, pk: int) -> User:
        """The person, for one who may manage them."""
        user = User.objects.filter(pk=pk).first()
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        return user

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "limited" in form.cleaned_data:
            invites.save_limits(form.instance, form.cleaned_data["limited"], form.cleaned_data["accounts"])

    @admin.display(description=_("name"), ordering="last_name")
    def name(self, user: User) -> str:
        return user.get_full_name() or "—"

    @admin.display(description=_("groups"))
    def in_groups(self, user: User) -> str:
        if user.is_superuser:
            return str(_("may do everything"))
        return ", ".join(group.name for group in user.groups.all()) or "—"

    @admin.display(description=_("accounts"))
    def in_accounts(self, user: Any) -> str:
        limits = getattr(user, "limits", None)
        if limits is None or not limits.limited or user.is_superuser:
            return str(_("all"))
        names = [account.name for account in limits.accounts.all()]
        if others := user.number_of_accounts - len(names):
            names.append(ngettext("%(n)s other", "%(n)s others", others) % {"n": others})
        return ", ".join(names) or str(_("none"))


class GroupForm(forms.ModelForm):
    """A group, with how far its people go alone."""

    largest_run = forms.IntegerField(
        label=_("Largest bulk action"),
        required=False,
        min_value=2,
        help_text=_("How many leads its people may change at once, if they may start bulk actions. Empty: any number."),
    )
    refund_ceiling = forms.DecimalField(
        label=_("Largest refund"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        help_text=_("How much of one sale its people may refund without approval. Empty: all of it."),
    )

    class Meta:
        model = Group
        fields = ["name", "permissions"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limits = GroupLimits.objects.filter(group=self.instance.pk).first() if self.instance.pk else None
        if limits is not None:
            self.initial.update(largest_run=limits.largest_run, refund_ceiling=limits.refund_ceiling)
        style(self)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    form = GroupForm
    fields = ["name", "largest_run", "refund_ceiling", "permissions"]

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **{**kwargs, "form_class": PermissionChoice})

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        bounds = {name: form.cleaned_data.get(name) for name in ("largest_run", "refund_ceiling")}
        GroupLimits.objects.update_or_create(group=obj, defaults=bounds)
