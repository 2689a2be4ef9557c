"""The leads list: its rows and columns, the drawer that filters it, its menu of segments. It may import all that `admin.leads` may."""
