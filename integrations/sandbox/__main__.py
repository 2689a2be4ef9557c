"""`python -m integrations.sandbox`: the sandbox without Django."""

import argparse

from integrations.sandbox.wire.server import Sandbox


def main() -> None:
    parser = argparse.ArgumentParser(description="A Kartra sandbox on loopback.")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--leads", type=int, default=0, help="demo leads to make when the account is empty")
    parser.add_argument("--db", default=":memory:", help="SQLite file that keeps the account")
    options = parser.parse_args()
    sandbox = Sandbox(port=options.port, db=options.db)
    sandbox.fill(options.leads)
    print(f"Kartra sandbox at {sandbox.base}/ (API {sandbox.url})", flush=True)
    sandbox.serve()


if __name__ == "__main__":
    main()
