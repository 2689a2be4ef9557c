"""When a regular job last ran."""

from django.db import models


class Heartbeat(models.Model):
    """The last time of a regular job, e.g. "sweep"; read by /readyz and the status command."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M:%S}"
