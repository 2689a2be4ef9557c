"""What a person of the Greek account asked about their own data: once done, with all that can be said of it, and once open."""

from types import SimpleNamespace

from leads.models import DataSubjectRequest, ErasureRemark
from leads.models.remarks import remark


def requests(made: SimpleNamespace) -> None:
    said = [remark(code, number=2) for code in ErasureRemark]
    asked = {"account": made.account, "digest": "0", "asked_at": made.now, "due_at": made.now}
    counts = {"leads.lead": 1, "leads.activity": 2, "files": 1, "other_leads": 1, "nobody": 1, "admin.logentry": 1}
    DataSubjectRequest.objects.create(**asked, kind="erasure", done_at=made.now, counts=counts, remarks=said)
    DataSubjectRequest.objects.create(**asked, kind="export", lead=made.lead, asked_by=made.person)
