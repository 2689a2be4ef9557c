"""Store secrets anew with the newest keys."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.management.numbers import plural
from integrations.setup import key_rotation


class Command(BaseCommand):
    help = (
        "Store every secret anew with the first key of FIELD_ENCRYPTION_KEYS, and know addresses by the first of DIGEST_KEYS. Beside "
        "everything that runs; it may be ended and begun again. Says which older keys are in use still."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if why := key_rotation.encryption_problem() or key_rotation.cannot_start():
            raise CommandError(why)
        done, lost = key_rotation.rotate()
        self.stdout.write(f"{plural(done, 'secret')} stored anew.")
        if lost:
            self.stderr.write(key_rotation.lost_secrets())
        for line in key_rotation.older_keys():
            self.stdout.write(line)
