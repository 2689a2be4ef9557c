"""Messages through the embedded broker: three publishers, a listener killed and started again; and the cost of one message.

Prints what happened. `MESSAGES` in the environment sets how many messages there are in all (default 200,000).
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kombu import Connection, Producer, Queue

from kartra_mirror import file_broker

MESSAGES = int(os.environ.get("MESSAGES", "200000"))
PUBLISHERS = 3
DISTINCT = 500
"""Connections that messages are about: equal ones that wait fold into one."""

file_broker.register()


def broker(folder: str) -> Connection:
    return Connection("filebroker://", transport_options={"folder": folder})


def publish(folder: str, number: int) -> None:
    with broker(folder) as connection:
        producer = Producer(connection.channel())
        for n in range(number):
            headers = {"task": "push", "argsrepr": f"({n % DISTINCT},)"}
            producer.publish(
                [n % DISTINCT], routing_key="push", headers=headers, declare=[Queue("push")] if n == 0 else None
            )


def listen(folder: str, marks: str) -> None:
    def heard(body: list[int], message: object) -> None:
        message.ack()  # type: ignore[attr-defined]
        Path(marks, str(body[0])).touch()

    with broker(folder) as connection, connection.Consumer(Queue("push"), callbacks=[heard]):
        while True:
            try:
                connection.drain_events(timeout=5)
            except TimeoutError:
                continue


def main() -> None:
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as marks:
        began = time.monotonic()
        publishers = [context.Process(target=publish, args=(folder, MESSAGES // PUBLISHERS)) for _ in range(PUBLISHERS)]
        listener = context.Process(target=listen, args=(folder, marks))
        for process in (*publishers, listener):
            process.start()
        kills = 0
        while any(publisher.is_alive() for publisher in publishers):
            time.sleep(2)
            died = not listener.is_alive()
            if died:
                print("The listener died by itself.")
                sys.exit(1)
            os.kill(listener.pid or 0, signal.SIGKILL)
            listener.join()
            kills += 1
            listener = context.Process(target=listen, args=(folder, marks))
            listener.start()
        published_s = time.monotonic() - began
        publish(folder, DISTINCT)  # the sweep notifies once more for whatever is left
        with broker(folder) as connection:
            channel = connection.channel()
            while channel._size("push"):
                time.sleep(0.1)
        time.sleep(0.5)
        alive = listener.is_alive()
        listener.kill()
        missing = DISTINCT - len(list(Path(marks).iterdir()))
    print(
        f"{MESSAGES:,} messages by {PUBLISHERS} publishers in {published_s:.1f} s ({MESSAGES / published_s:,.0f} a second); "
        f"listener killed {kills} times, died by itself 0 times, alive at the end: {alive}; never notified of: {missing}"
    )
    sys.exit(0 if alive and not missing else 1)


if __name__ == "__main__":
    main()
