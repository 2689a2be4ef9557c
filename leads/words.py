"""The words people see for the states of the code. Pages, messages and commands take them from here."""

from leads.models import ChangeStatus, RunState

STATUS_WORDS: dict[str, str] = {
    ChangeStatus.WAITING: "queued",
    ChangeStatus.SENDING: "sending",
    ChangeStatus.UNKNOWN: "checking with Kartra",
    ChangeStatus.UNDECIDED: "needs your decision",
    ChangeStatus.ACCEPTED: "done",
    ChangeStatus.REJECTED: "refused by Kartra",
    ChangeStatus.SKIPPED: "nothing to do",
    ChangeStatus.CANCELLED: "cancelled",
}

RUN_WORDS: dict[str, str] = {
    RunState.PREPARING: "preparing",
    RunState.RUNNING: "running",
    RunState.PAUSED: "paused",
    RunState.CANCELLING: "cancelling",
    RunState.FINISHED: "finished",
    RunState.CANCELLED: "cancelled",
}
