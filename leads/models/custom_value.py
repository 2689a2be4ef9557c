"""A custom field's value within a query."""

import json
from typing import Any

from django.db.models import F, Func, TextField, Value


class CustomValue(Func):
    """The value that a lead has of a custom field, as text; NULL where it has none.

    Not Django's key transform, which takes an identifier of digits for a place in a list.
    """

    function = "jsonb_extract_path_text"
    output_field = TextField()

    def __init__(self, identifier: str) -> None:
        super().__init__(F("custom_values"), Value(identifier))

    def as_sqlite(self, compiler: Any, connection: Any, **how: Any) -> Any:
        column, identifier = self.get_source_expressions()
        path = self.copy()
        path.set_source_expressions([column, Value(f"$.{json.dumps(identifier.value)}")])
        return Func.as_sql(path, compiler, connection, function="JSON_EXTRACT", **how)
