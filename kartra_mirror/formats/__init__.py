"""How times are written where a page does not say how: day before month, no halves of the day, with seconds."""
