"""What stands around every page and what every page is made of: the menu, the bar on top, the parts as template tags."""
