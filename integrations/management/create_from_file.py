"""`change create_lead --people FILE`: the people of a file who are new, as one bulk action; or only what that would do."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import pluralize

from integrations.models import Connection
from integrations.sending import switch
from leads import changes, importing
from leads.changes import create_many
from leads.importing import people_list
from leads.labels import NEW_CONTACTS, OWN_IMPORT
from leads.models import BulkRun
from leads.models.remarks import sentence_of
from leads.models.run import creation_name


def create(command: BaseCommand, connection: Connection, given: Any, options: dict[str, Any]) -> BulkRun | None:
    """The bulk action, or None where only a preview was asked for. Raises CommandError."""
    if given:
        raise CommandError("With --people the file says what each lead is to have; --set has no place.", returncode=2)
    try:
        with open(options["people"], "rb") as file:
            listed = people_list.read(connection.account, file)
        for line, why in listed.bad:
            command.stderr.write(f"Line {line}: {sentence_of(why)}")
        if options["dry_run"]:
            _print(command, connection, listed, options["json"])
            return None
        return create_many.create_leads(connection.account, listed.people, why=options["why"])
    except (OSError, importing.CannotImport, changes.CannotRecord) as error:
        raise CommandError(str(error)) from None


def _print(command: BaseCommand, connection: Connection, listed: people_list.PeopleList, as_json: bool) -> None:
    found = create_many.sort_people(connection.account, listed.people)
    number = len(found.new)
    facts = {
        "will_change": number,
        "known": found.known,
        "gone": found.gone,
        "being_created": found.being_created,
        "left_out": found.forgotten,
        "never_touched": found.never_touched,
        "twice": listed.twice,
        "bad": listed.bad_number,
        "calls": number,
    }
    if as_json:
        command.stdout.write(json.dumps(facts))
        return
    command.stdout.write(f"{creation_name(number)} in {connection.account}: {number:,} call{pluralize(number)}.")
    for count, words in (
        (found.known, "have a lead in Kartra already"),
        (found.being_created, "are being created already"),
        (found.gone, "had a lead that is deleted in Kartra"),
        (found.forgotten, "left out, asked to be forgotten"),
        (found.never_touched, "always left out of bulk actions"),
        (listed.twice, "rows name somebody again; the first one counts"),
        (listed.bad_number, "rows cannot be read"),
    ):
        if count:
            command.stdout.write(f"  {count:,} {words}")
    if listed.not_read:
        command.stdout.write(f"  Columns left out: {', '.join(listed.not_read)}")
    command.stdout.write(f"  {NEW_CONTACTS} {OWN_IMPORT}")
    if why := switch.why_not_sending(connection):
        command.stdout.write(f"  {why}")
