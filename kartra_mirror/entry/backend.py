"""Who is signed in, read with what says whether their sessions are good, and how they want pages to be."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User


class StaffBackend(ModelBackend):
    """Django's own, with `StaffSessions` and `StaffPreferences` in the one query that each request needs anyway."""

    def get_user(self, user_id: Any) -> User | None:
        user = User.objects.select_related("sessions", "preferences").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
