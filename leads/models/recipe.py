"""A named set of actions with their parameters, for everybody who works in the account; and each version it had."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account
from leads.models.times import StampField


class Recipe(models.Model):
    """What to do, without to whom and when. It is used on any leads of its account.

    `steps` is [[name of the kind, its parameters], …], as the kind of several takes them; `note` says in words what belongs to it
    and cannot be asked of Kartra's API ("The tag starts the automation that opens the course").
    """

    account_path = "account"

    account = models.ForeignKey(Account, verbose_name=_("account"), on_delete=models.CASCADE, related_name="recipes")
    name = models.CharField(_("name"), max_length=200)
    steps = models.JSONField()
    note = models.TextField(_("note"), blank=True, default="")
    version = models.PositiveIntegerField(_("version"), default=1)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = StampField(_("created at"), auto_now_add=True)
    updated_at = StampField(_("updated at"), auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("recipe")
        verbose_name_plural = _("recipes")
        constraints = [
            models.UniqueConstraint("account", Lower("name"), name="leads_recipe_one_per_name"),
            models.CheckConstraint(condition=~models.Q(name=""), name="leads_recipe_named"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="leads_recipe_has_a_version"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_recipe_change", args=[self.pk])


class RecipeVersion(models.Model):
    """What a recipe said at a time; the newest says what the recipe says now. Written once, beside the recipe."""

    account_path = "recipe__account"

    recipe = models.ForeignKey(Recipe, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    steps = models.JSONField()
    note = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = StampField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        verbose_name = _("version of a recipe")
        verbose_name_plural = _("versions of recipes")
        default_permissions = ()
        constraints = [models.UniqueConstraint("recipe", "version", name="leads_recipeversion_one_of_each")]

    def __str__(self) -> str:
        return gettext("version %(number)s") % {"number": self.version}
