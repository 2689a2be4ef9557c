"""When a row was made or changed, by the database's clock."""

from typing import Any

from django.db import models

from leads import clock


class StampField(models.DateTimeField):
    """Django's `auto_now_add` and `auto_now`, which take the time of whatever machine saves the row."""

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        if not (self.auto_now or (self.auto_now_add and add)):
            return super().pre_save(model_instance, add)
        at = clock.about_now()
        setattr(model_instance, self.attname, at)
        return at

    def deconstruct(self) -> Any:
        """As Django's own: no database knows the difference."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs
