"""Kartra's API: chains of actions on one lead (`commands` has them all), and what we read, typed; one call each.

No settings, no models, no retries: the callers own pace and repetition.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.kartra import commands
from integrations.kartra.billing import SubscriptionDetails, SubscriptionEntry, TransactionDetails, TransactionEntry
from integrations.kartra.commands import Action, LeadRef, call_fields
from integrations.kartra.errors import OutcomeUnknown, Rejected, refusal
from integrations.kartra.profile import LeadProfile, options_of, profile_of
from integrations.kartra.replies import (
    ActionOutcome,
    ChainReply,
    WholeCallRefused,
    body_of,
    code_of,
    is_error,
    message_of,
    parse_chain,
)
from integrations.kartra.transport import Answer, Transport
from integrations.kartra.values import amount, decoded, ident, rows, text, whole
from integrations.kartra.words import Trouble

TRANSACTION_LISTS = ("transaction_list", "transactions_list", "transactions")
SUBSCRIPTION_LISTS = ("subscriptions_list", "subscription_list", "subscriptions")
"""Under which keys the lists of a lead's money came, the present one first."""

SLOW_S = 90.0
"""`retrieve_custom_fields` is known to be slow: its own deadline."""


@dataclass(frozen=True)
class Credentials:
    """Of the app, and of the Kartra account it acts on. Never shown."""

    app_id: str = field(repr=False)
    api_key: str = field(repr=False)
    api_password: str = field(repr=False)

    def fields(self) -> list[tuple[str, str]]:
        return [("app_id", self.app_id), ("api_key", self.api_key), ("api_password", self.api_password)]


@dataclass(frozen=True)
class CustomFieldDefinition:
    """A custom field of the account; `options` ((option id, option text), …) for the choice types."""

    id: str
    identifier: str
    type: str
    options: tuple[tuple[str, str], ...] = ()


class Client:
    """Kartra with one set of credentials. Every method makes exactly one call.

    All raise NotSent, Throttled, OutcomeUnknown, CredentialsRefused; a refusal is Rejected with Kartra's code.
    """

    def __init__(self, credentials: Credentials, transport: Transport) -> None:
        self._credentials = credentials
        self._transport = transport

    def __repr__(self) -> str:
        return f"Client({self._transport!r})"

    # --- the ground: one call

    def call(self, pairs: Sequence[tuple[str, str]], *, fresh: bool = False, deadline_s: float | None = None) -> Answer:
        """Any call: form fields without credentials, Kartra's answer as it came."""
        return self._transport.post([*self._credentials.fields(), *pairs], fresh=fresh, deadline_s=deadline_s)

    def chain(
        self,
        lead: LeadRef | None,
        actions: Sequence[Action],
        *,
        lead_fields: Mapping[str, Any] | None = None,
        repeatable: bool = True,
    ) -> ChainReply | WholeCallRefused:
        """Several actions on one lead in one call. `repeatable=False` never uses a socket that may be stale."""
        answer = self.call(call_fields(actions, lead, lead_fields), fresh=not repeatable)
        return parse_chain(answer.text, actions)

    def one(self, action: Action, lead: LeadRef | None = None) -> ActionOutcome:
        """One action that may be repeated, in a call of its own; Rejected where Kartra refuses it."""
        reply = self.chain(lead, [action])
        if isinstance(reply, WholeCallRefused):
            raise refusal(reply.code, reply.message)
        outcome = reply.outcomes[0]
        if outcome.state == "refused":
            raise refusal(outcome.code, outcome.message)
        if outcome.state == "missing":
            raise OutcomeUnknown("", Trouble.NO_COMMAND, command=action.cmd)
        return outcome

    def _top(self, action: Action, key: str, *, deadline_s: float | None = None) -> Any:
        """A read whose result stands at the top level, under `key`; or inside the action, where some put it."""
        body = body_of(self.call(call_fields([action]), deadline_s=deadline_s).text)
        if is_error(body):
            raise refusal(code_of(body), message_of(body))
        if key in body:
            return decoded(body[key])
        reply = parse_chain_of(body, action)
        if reply is not None:
            if reply.state == "refused":
                raise refusal(reply.code, reply.message)
            if key in reply.details:
                return decoded(reply.details[key])
        raise OutcomeUnknown("", Trouble.NO_KEY, key=key)

    # --- leads

    def get_lead(self, *, email: str = "", id: str = "") -> LeadProfile:
        """Everything Kartra tells of a lead, by email (documented) or id (observed). Rejected 234, 245 if there is none."""
        named = LeadRef(id=id, email=email).fields()
        body = body_of(self.call([(f"get_lead[{key}]", value) for key, value in named.items()]).text)
        if is_error(body):
            raise refusal(code_of(body), message_of(body))
        details = decoded(body.get("lead_details"))
        if isinstance(details, list) and len(details) == 1:
            details = details[0]
        if not isinstance(details, dict) or not (ident(details.get("id")) or text(details.get("email"))):
            raise OutcomeUnknown("", Trouble.NO_LEAD)
        return profile_of(details)

    def search_lead(self, lead: LeadRef) -> bool:
        """Whether the lead exists. Deleted (245) is Rejected, not False."""
        try:
            self.one(commands.search_lead(), lead)
        except Rejected as no:
            if no.code in ("243", "234"):
                return False
            raise
        return True

    # --- the account

    def create_custom_field(self, *, identifier: str, type: str, options: Sequence[str] = ()) -> ActionOutcome:
        return self.one(commands.create_custom_field(identifier=identifier, type=type, options=options))

    def retrieve_custom_fields(self) -> list[CustomFieldDefinition] | None:
        """None: the answer says nothing of them."""
        told = self._top(commands.retrieve_custom_fields(), "custom_fields", deadline_s=SLOW_S)
        found = rows(told)
        names = [text(entry.get("field_identifier")) if isinstance(entry, dict) else "" for entry in found]
        if not isinstance(told, list | dict) or not all(map(_whole_name, names)):
            return None
        return [
            CustomFieldDefinition(
                ident(entry.get("field_id")),
                text(entry.get("field_identifier")),
                text(entry.get("field_type")),
                options_of(entry.get("field_value")),
            )
            for entry in found
            if isinstance(entry, dict) and text(entry.get("field_identifier"))
        ]

    def retrieve_account_lists(self) -> list[str] | None:
        return self._names(commands.retrieve_account_lists(), "account_lists", "list_name")

    def retrieve_account_tags(self) -> list[str] | None:
        return self._names(commands.retrieve_account_tags(), "account_tags", "tag_name")

    def retrieve_account_sequences(self) -> list[str] | None:
        return self._names(commands.retrieve_account_sequences(), "account_sequences", "sequence_name")

    def retrieve_account_pages(self) -> list[str] | None:
        return self._names(commands.retrieve_account_pages(), "account_pages", "page_name")

    def _names(self, action: Action, key: str, inner: str) -> list[str] | None:
        """None: the answer says nothing of them (null, a text), or not of all."""
        told = self._top(action, key)
        names = [
            text(entry.get(inner, entry.get("name"))) if isinstance(entry, dict) else text(entry)
            for entry in rows(told)
        ]
        if not isinstance(told, list | dict) or not all(map(_whole_name, names)):
            return None
        return list(dict.fromkeys(names))

    # --- transactions and subscriptions

    def get_transaction_details(self, *, transaction_id: str) -> TransactionDetails:
        outcome = self.one(commands.get_transaction_details(transaction_id=transaction_id))
        raw = decoded(outcome.details.get("transaction_details")) or {}
        if not isinstance(raw, dict):
            raise OutcomeUnknown("", Trouble.NO_TRANSACTION)
        return TransactionDetails(
            id=ident(raw.get("transaction_id")) or transaction_id,
            lead_id=ident(raw.get("lead_id", raw.get("buyer_id"))),
            product_id=ident(raw.get("product_id")),
            product_name=text(raw.get("product_name")),
            price_point=text(raw.get("product_price_point")),
            quantity=whole(raw.get("transaction_quantity")),
            full_amount=amount(raw.get("transaction_full_amount")),
            affiliate=text(raw.get("transaction_affiliate")),
            raw=raw,
        )

    def retrieve_transactions_from_lead(self, lead: LeadRef) -> list[TransactionEntry]:
        outcome = self.one(commands.retrieve_transactions_from_lead(), lead)
        found = next((outcome.details[key] for key in TRANSACTION_LISTS if key in outcome.details), None)
        return [
            TransactionEntry(
                ident(entry.get("transaction_id", entry.get("id"))),
                ident(entry.get("lead_id", entry.get("buyer_id"))),
                text(entry.get("lead_email", entry.get("buyer_email"))),
                text(entry.get("transaction_type", entry.get("type"))),
                entry,
            )
            for entry in rows(found)
            if isinstance(entry, dict)
        ]

    def retrieve_subscriptions_from_lead(self, lead: LeadRef) -> list[SubscriptionEntry]:
        outcome = self.one(commands.retrieve_subscriptions_from_lead(), lead)
        found = next((outcome.details[key] for key in SUBSCRIPTION_LISTS if key in outcome.details), None)
        return [
            SubscriptionEntry(
                ident(entry.get("subscription_id", entry.get("transaction_subscription_id"))),
                ident(entry.get("lead_id", entry.get("buyer_id"))),
                text(entry.get("lead_email", entry.get("buyer_email"))),
                text(entry.get("subscription_status", entry.get("transaction_subscription_status"))),
                entry,
            )
            for entry in rows(found)
            if isinstance(entry, dict)
        ]

    def get_subscription_details(self, *, subscription_id: str) -> SubscriptionDetails:
        outcome = self.one(commands.get_subscription_details(subscription_id=subscription_id))
        raw = decoded(outcome.details.get("subscription_details")) or {}
        if not isinstance(raw, dict):
            raise OutcomeUnknown("", Trouble.NO_SUBSCRIPTION)
        return SubscriptionDetails(
            id=ident(raw.get("subscription_id")) or subscription_id,
            lead_id=ident(raw.get("subscription_lead_id")),
            product_id=ident(raw.get("subscription_product_id")),
            price_point=text(raw.get("subscription_price_point")),
            status=text(raw.get("subscription_status")),
            start_date=text(raw.get("subscription_start_date")),
            end_date=text(raw.get("subscription_end_date")),
            next_payment_date=text(raw.get("subscription_next_payment_date")),
            next_payment_amount=amount(raw.get("subscription_next_scheduled_payment_amount")),
            current_installment=whole(raw.get("subscription_current_installment")),
            installments_left=text(raw.get("subscription_installments_left")),
            recurring_period=text(raw.get("subscription_recurring_period")),
            affiliate=text(raw.get("subscription_affiliate")),
            jv=text(raw.get("subscription_jv")),
            raw=raw,
        )


def _whole_name(name: str) -> bool:
    """Whether a name was told, and without holes in it."""
    return bool(name) and "\ufffd" not in name


def parse_chain_of(body: Mapping[str, Any], action: Action) -> ActionOutcome | None:
    """The outcome of one action in a body that was read already; None if it is not there."""
    reply = parse_chain(json.dumps(body), [action])
    return reply.outcomes[0] if isinstance(reply, ChainReply) else None


def created_id(outcome: ActionOutcome) -> str:
    """The id of the lead that a `create_lead` made; "" if the answer does not hold it."""
    details = decoded(outcome.details.get("lead_details"))
    return ident(details.get("id")) if isinstance(details, dict) else ""
