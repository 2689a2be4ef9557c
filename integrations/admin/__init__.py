"""Admin pages of the wire: connections, addresses, messages, calls."""

from integrations.admin import calls, connections, deliveries, doors

__all__ = ["calls", "connections", "deliveries", "doors"]
