"""One person across all tables: by what somebody is known in a text, whatever its spelling; all that is held of them; what they asked for.

May import the mirror's tables, `forgotten`, `access` and `importing`; `erasure` stands on it. Other apps add what they hold by `parts`.
"""
