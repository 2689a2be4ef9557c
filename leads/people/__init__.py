"""Lists of people: pasted or uploaded text → rows, matched with our copy, as the target of bulk actions. Sends nothing to Kartra.

`workbook` makes text of an Excel workbook, `entries` reads text, `matching` says whom a row means, `lists` makes and corrects lists,
`reading` goes through them and counts, `newcomers` are those whom Kartra does not have, `typos` hints at misspelt domains. Looking
people up in Kartra is `integrations.read.people_lists`. May import every room of `leads` but `changes`, which creates newcomers.
"""
