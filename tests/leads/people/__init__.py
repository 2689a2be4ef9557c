"""Lists of people: what is read of a text or workbook, whom its rows mean."""
