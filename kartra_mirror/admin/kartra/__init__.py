"""How Kartra is reached and what it sends: accounts, connections, webhook endpoints, deliveries, the console."""
