"""`make audit`: asks the advisory service for known weaknesses of what the locks name, with pip-audit.
Ends with 1 where there are some, and with 0 and a sentence where the service cannot be reached."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AWAY = (
    "ConnectionError",
    "Connection refused",
    "Max retries",
    "NameResolution",
    "ConnectTimeout",
    "ReadTimeout",
    "ProxyError",
)


def main() -> int:
    tool = Path(sys.executable).with_name("pip-audit")
    found = 0
    for lock in ("requirements.lock", "requirements-dev.lock"):
        command = [tool, "--requirement", ROOT / lock, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        asked = subprocess.run(command, capture_output=True, text=True)
        if asked.returncode and any(word in asked.stderr for word in AWAY):
            print(f"{lock}: the advisory service cannot be reached from here: nothing was looked up.")
            continue
        if unseen := asked.stdout.count("could not be audited"):
            print(f"{lock}: {unseen} names could not be looked up from here.")
        else:
            print(f"{lock}: {asked.stdout or asked.stderr}".strip())
        found = found or asked.returncode
    return found


if __name__ == "__main__":
    raise SystemExit(main())
