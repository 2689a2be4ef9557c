"""Lists of people whose every text is Greek: one in each state, and one row of each sort in each of them."""

from leads.models import PeopleList, PeopleListRemark, PeopleListState, PersonState, RowRemark
from leads.models.people_list import MEANT
from leads.models.remarks import remark


def make(account, lead, person, now):
    """{state: list}."""
    made = {}
    for number, state in enumerate(PeopleListState):
        made[state] = PeopleList.objects.create(
            account=account,
            name=f"Λίστα {number}",
            file_name="αρχείο",
            size=9,
            encoding="utf-8",
            delimiter=",",
            headers=["Α", "Β"],
            mapping={"email": "Α", "id": "Β"},
            state=state,
            why=remark(PeopleListRemark.TOO_MANY, most="9") if state == PeopleListState.STOPPED else {},
            data_start=0,
            position=5,
            line=2,
            rows_read=8,
            notes={"sheet": "Φύλλο", "other_sheets": 2, "differ": 2, "agree": 1, "named": True},
            created_by=person,
            used_at=now,
        )
        for place, sort in enumerate(PersonState, start=1):
            email = f"ω{place}@ωμεγα.ωω" if sort != PersonState.FORGOTTEN else ""
            made[state].people.create(
                number=place,
                line=place,
                written=email,
                email=email,
                email_key=email,
                state=sort,
                lead=lead if sort in MEANT else None,
                reason=remark(RowRemark.NOBODY) if sort == PersonState.UNREADABLE else {},
            )
    return made
