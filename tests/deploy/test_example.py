"""Every variable of .env.example is known to the settings, and the reverse."""

import ast

from tests.deploy.files import ROOT, example_names

OTHER_NAMES = {"DIGEST_KEY"}
"""As settings were called before."""
OF_OTHERS = {"POSTGRES_PASSWORD", "SANDBOX_LEADS"}
"""Read by docker-compose.yml and Procfile.demo, not by the settings."""


def known_names():
    """What settings.py asks the environment for."""
    tree = ast.parse((ROOT / "kartra_mirror/settings.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    asked = [call for call in calls if isinstance(call.func.value, ast.Name) and call.func.value.id == "env"]
    return {call.args[0].value for call in asked if call.args and isinstance(call.args[0], ast.Constant)}


def test_example_and_settings_know_the_same_variables():
    known = known_names()

    assert len(known) > 50
    assert example_names() - known == OF_OTHERS
    assert known - example_names() == OTHER_NAMES


def test_variables_of_others_are_read_by_them():
    read = "".join((ROOT / name).read_text() for name in ("docker-compose.yml", "Procfile.demo"))

    assert [name for name in OF_OTHERS if f"${{{name}" not in read] == []
