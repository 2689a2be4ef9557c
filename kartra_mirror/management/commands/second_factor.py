"""Second steps from the command line, for when nobody can sign in any more to take one away."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.models import SecondFactor
from kartra_mirror.entry import second_factor
from leads.models import StaffSessions


class Command(BaseCommand):
    help = (
        "Show who has set up a second step for signing in, or take it away from one who lost the phone and the recovery codes. "
        "They set up another at the next sign-in; their sessions end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--take-away", metavar="USERNAME", action="append", default=[], help="may be given several times"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["take_away"]
        people = {user.username: user for user in User.objects.filter(username__in=names)}
        if unknown := [name for name in names if name not in people]:
            raise CommandError(f"Nobody is called {', '.join(unknown)}. Nothing was changed.")
        for name in names:
            if second_factor.take_away(people[name]):
                StaffSessions.objects.end_all(people[name])
                self.stdout.write(f"{name} sets up a new phone at the next sign-in.")
            else:
                self.stdout.write(f"{name} has no second step.")
        if not names:
            for factor in SecondFactor.objects.select_related("user").order_by("user__username"):
                state = "set up" if factor.confirmed else "not confirmed yet"
                lost = "; its key cannot be opened with FIELD_ENCRYPTION_KEYS" if factor.is_lost else ""
                self.stdout.write(f"{factor.user.get_username()}: {state}{lost}")
