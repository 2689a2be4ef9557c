"""Everything that touches the wire."""
