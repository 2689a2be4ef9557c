"""Parameters of each kind, as they are stored."""

GIVEN = {
    "create_lead": {"email": "ada@example.com"},
    "update_lead": {"city": "Bend"},
    "assign_tag": {"tag": "VIP"},
    "unassign_tag": {"tag": "VIP"},
    "subscribe_list": {"list": "Buyers"},
    "unsubscribe_list": {"list": "Buyers"},
    "give_points": {"points": 5, "expires_in_days": 7},
    "remove_points": {"points": 5},
    "subscribe_sequence": {"sequence": "Welcome", "step": 2},
    "unsubscribe_sequence": {"sequence": "Welcome"},
    "subscribe_calendar": {"calendar": "Coaching", "class": "Deep dive", "date": "2031-01-16", "hour": "09:30"},
    "cancel_calendar": {"calendar": "Coaching", "class": "Deep dive"},
    "refund_transaction": {"transaction": "71", "amount": "whole"},
    "cancel_subscription": {"subscription": "81", "named_by": "subscription"},
    "pause_subscription": {"subscription": "81"},
    "unpause_subscription": {"subscription": "81"},
    "edit_subscription": {"subscription": "81", "amount": "31.50"},
}
