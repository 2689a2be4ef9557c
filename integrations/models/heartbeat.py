"""When a regular job last ran, and machines whose clocks are wrong or whose disks are full."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Heartbeat(models.Model):
    """The last time of a regular job, e.g. "sweep"; read by /readyz and the status command. Also the last time that a
    machine's clock was seen to differ from the database's ("clock web-2"), and by how much; and that its disk was seen to be full
    ("disk web-2")."""

    account_path = None  # of the installation: everybody may see it

    name = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField(help_text=_("By the database's clock."))
    ahead_s = models.FloatField(
        null=True, blank=True, help_text=_("So many seconds the machine's clock is ahead of the database's.")
    )

    class Meta:
        verbose_name = _("regular job")
        verbose_name_plural = _("regular jobs")

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"
