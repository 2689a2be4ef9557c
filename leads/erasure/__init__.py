"""Forgetting a person who asked for it: what is erased, what other rows and files keep of them, what is said of it afterwards.

The question itself is in `leads.forgotten`; by what somebody is known in a text, in `leads.person`.
"""
