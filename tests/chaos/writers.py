"""Writers at the same moment: two to four sources tell one fact together, and it must be one row and one line."""

import random
import threading

WRITERS = "writers"
PATIENCE_S = 60.0


def run_writers(rounds: int, chance: random.Random) -> int:
    """So many rounds of every fact. The number of facts that went wrong; each is printed."""
    from django.core.management import call_command

    from tests.two_sources import FACTS

    call_command("migrate", verbosity=0)
    wrong = []
    for number in range(rounds):
        for fact in FACTS:
            wrong += [f"round {number}, {fact}: {words}" for words in _one_fact(fact, chance)]
    print(f"{WRITERS}: {rounds} rounds of {len(FACTS)} facts; {len(wrong)} wrong", flush=True)
    for line in wrong[:20]:
        print(f"  WRONG {line}", flush=True)
    return len(wrong)


def _one_fact(fact: str, chance: random.Random) -> list[str]:
    from django.db import connections

    from integrations import receive
    from tests.two_sources import FACTS, account_with_lead, wrong_with

    endpoint, lead = account_with_lead()
    FACTS[fact].before(endpoint, lead)
    names = list(FACTS[fact].writers)
    chosen = chance.sample(names, chance.randint(2, len(names)))
    writes = [FACTS[fact].writers[name](endpoint, lead) for name in chosen]
    ready = threading.Barrier(len(writes))
    broken: list[str] = []

    def come(name: str, write: object, wait_s: float) -> None:
        try:
            ready.wait(PATIENCE_S)
            threading.Event().wait(wait_s)
            write()  # type: ignore[operator]
        except Exception as error:
            broken.append(f"{name} of {chosen}: {type(error).__name__} {error}")
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=come, args=(name, write, chance.choice([0.0, 0.0, 0.002, 0.01])))
        for name, write in zip(chosen, writes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    receive.drain()
    return broken + [f"{chosen}: {words}" for words in wrong_with(fact, endpoint.connection.account)]
