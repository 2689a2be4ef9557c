"""`make image-check`: the Dockerfile's own lines on this machine without Docker, up to a house that is ready and ends well.

1. Each stage is a copy-on-write view of this machine's root in mount namespaces of our own; nothing outside is changed. What its
   base brings is this machine's Python, so versions of bases are not tried.
2. RUN, COPY, ENV, WORKDIR and USER do what they say. Of the source COPY sees what .dockerignore leaves.
3. Its root becomes read-only. The processes of docker-compose.yml run there as the image's user without capabilities, each with a
   /tmp of its own, on PostgreSQL and Redis servers that are started for it: first migrate, then the rest.
4. Their health checks, /readyz, a page and its styles are asked for; SIGTERM ends them.

Needs root, and a kernel that lets it mount an overlay; says so and ends with 3 where it cannot.
"""

import atexit
import contextlib
import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy.make_env import filled  # noqa: E402
from tests.chaos.servers import Missing, Postgres, Redis, free_port  # noqa: E402

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
CHROOT = shutil.which("chroot", path=SYSTEM_PATH) or "chroot"
READY_S = 120.0
END_S = 60.0


def say(text: str) -> None:
    print(text, flush=True)


def run(*command: str) -> None:
    subprocess.run(command, check=True)


# --- the Dockerfile


def instructions(text: str) -> list[tuple[str, str]]:
    """[("RUN", "all of it on one line")]"""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\s*\\\n\s*", " ", text).splitlines()
    return [(name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def command_of(text: str) -> list[str]:
    """The words of a CMD or HEALTHCHECK CMD, in its JSON form or as a shell's line."""
    return json.loads(text) if text.startswith("[") else ["sh", "-c", text]


def is_left_out(path: str, rules: list[str]) -> bool:
    """Whether .dockerignore keeps this path of the source from the builder: the last rule that fits decides."""
    out = False
    for rule in rules:
        pattern = rule.removeprefix("!").strip("/")
        parts = path.split("/")
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        else:
            fits = any(fnmatch.fnmatch("/".join(parts[: n + 1]), pattern) for n in range(len(parts)))
        if fits:
            out = not rule.startswith("!")
    return out


class Stage:
    """One stage of the Dockerfile while its lines are carried out."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.env, self.workdir, self.user = name, {"PATH": SYSTEM_PATH}, "/", "0:0"
        self.command: list[str] = []
        self.healthcheck: list[str] = []
        self.root = folder / name
        upper, work = folder / f"{name}.upper", folder / f"{name}.work"
        for each in (self.root, upper, work):
            each.mkdir()
        options = f"lowerdir=/,upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        atexit.register(lambda: subprocess.run(["umount", "--lazy", str(self.root)], check=False, capture_output=True))
        run("mount", "-t", "proc", "proc", f"{self.root}/proc")
        run("mount", "--rbind", "/dev", f"{self.root}/dev")
        for bare in ("/tmp", "/root", "/home"):
            run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{self.root}{bare}")
        python = self.root / "usr/local/bin/python"
        if not python.exists():
            python.symlink_to("/usr/bin/python3")

    def inside(self, path: str) -> Path:
        return self.root / os.path.normpath(os.path.join(self.workdir, path)).lstrip("/")

    def take(self, name: str, rest: str, stages: dict[str, "Stage"]) -> None:
        """Carry out one instruction."""
        match name:
            case "ENV":
                for pair in shlex.split(rest):
                    key, _, value = pair.partition("=")
                    self.env[key] = value
            case "WORKDIR":
                self.workdir = rest
                self.inside(".").mkdir(parents=True, exist_ok=True)
            case "USER":
                self.user = rest
            case "RUN":
                say(f"  RUN {rest[:110]}{'…' if len(rest) > 110 else ''}")
                self.call(["sh", "-c", rest])
            case "COPY":
                self.copy(rest, stages)
            case "CMD":
                self.command = command_of(rest)
            case "HEALTHCHECK":
                self.healthcheck = command_of(rest.partition("CMD ")[2].strip())
            case "EXPOSE" | "STOPSIGNAL":
                pass
            case _:
                raise SystemExit(f"{name}: this check does not know what that does.")

    def copy(self, rest: str, stages: dict[str, "Stage"]) -> None:
        words = shlex.split(rest)
        origin = next((word.partition("=")[2] for word in words if word.startswith("--from=")), "")
        *found, target = [word for word in words if not word.startswith("--")]
        for source in found:
            where = stages[origin].root / source.lstrip("/") if origin else ROOT / source
            to = self.inside(target) / where.name if target.endswith("/") else self.inside(target)
            to.parent.mkdir(parents=True, exist_ok=True)
            if where.is_dir():
                shutil.copytree(where, to, symlinks=True, ignore=None if origin else left_out, dirs_exist_ok=True)
            elif not origin and left_out(str(where.parent), [where.name]):
                raise SystemExit(f"COPY {source}: .dockerignore keeps it from the builder.")
            else:
                shutil.copy2(where, to)

    def words(self, command: list[str]) -> list[str]:
        """The command in this root, as its user, without a capability if that is not root."""
        user, _, group = self.user.partition(":")
        dropped = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if user != "0" else []
        as_user = ["setpriv", f"--reuid={user}", f"--regid={group or user}", "--clear-groups", *dropped]
        here = ["sh", "-c", 'cd "$0" && exec "$@"', self.workdir]
        return [CHROOT, str(self.root), *as_user, *here, *command]

    def call(self, command: list[str]) -> None:
        env = {**self.env, **PASSED_ON, "HOME": "/tmp"}
        done = subprocess.run(self.words(command), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stdout[-3000:]}\nThat ended with {done.returncode}.")


def left_out(folder: str, names: list[str]) -> set[str]:
    """For shutil.copytree: what .dockerignore keeps from the builder."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    inner = Path(folder).relative_to(ROOT)
    return {name for name in names if is_left_out(str(inner / name), rules)}


def build(folder: Path) -> Stage:
    """Carry out the Dockerfile. Its last stage."""
    stages: dict[str, Stage] = {}
    stage = None
    for name, rest in instructions((ROOT / "Dockerfile").read_text()):
        if name == "FROM":
            base, _, called = rest.partition(" AS ")
            stage = stages[called or "image"] = Stage(folder, called or "image")
            say(f"Stage {stage.name} (FROM {base}; here this machine's Python)")
        else:
            stage.take(name, rest, stages)
    return stage


# --- the processes


class Service:
    """A container's process: the image's root, read-only, a /tmp of its own."""

    def __init__(self, stage: Stage, name: str, command: list[str], env: dict[str, str], log: Path) -> None:
        self.name, self.stage, self.env, self.log = name, stage, {**stage.env, **env, "HOME": "/tmp"}, log
        mount = f"mount -t tmpfs -o mode=1777,size=64m tmpfs {stage.root}/tmp"
        words = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *stage.words(command)]
        with log.open("wb") as out:
            self.process = subprocess.Popen(words, env=self.env, stdout=out, stderr=out)

    def is_healthy(self, test: list[str]) -> bool:
        words = ["nsenter", "--mount", f"--target={self.process.pid}", *self.stage.words(test)]
        return subprocess.run(words, env=self.env, capture_output=True).returncode == 0

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return -9


def ask(port: int, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def until(true, what: str) -> None:
    ends = time.monotonic() + READY_S
    while True:
        with contextlib.suppress(OSError):
            if true():
                return
        if time.monotonic() > ends:
            raise SystemExit(f"In {READY_S:.0f} s {what} did not come to pass.")
        time.sleep(1.0)


def house(stage: Stage, folder: Path) -> None:
    """Run what docker-compose.yml runs, and ask it."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    var_dir = stage.env["VAR_DIR"]
    volume, seen = folder / "volume", stage.inside(var_dir).stat()
    volume.mkdir(mode=seen.st_mode & 0o777)
    os.chown(volume, seen.st_uid, seen.st_gid)  # as Docker makes a volume
    run("mount", "--bind", str(volume), str(stage.inside(var_dir)))
    run("mount", "-o", "remount,ro", str(stage.root))
    servers = folder / "servers"
    servers.mkdir()
    postgres, redis, port = Postgres(servers), Redis(servers), free_port()
    atexit.register(postgres.stop)
    atexit.register(redis.stop)
    given = dict(
        line.split("=", 1)
        for line in filled("mirror.example.com", "you@example.com").splitlines()
        if "=" in line and line[0] != "#"
    )
    moved = {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url, "WEB_PORT": str(port), "WEB_HOST": "127.0.0.1"}

    def start(name: str) -> Service:
        env = {**given, **{key: str(value) for key, value in compose[name]["environment"].items()}, **moved}
        command = shlex.split(compose[name].get("command", "")) or stage.command
        return Service(stage, name, command, env, folder / f"{name}.log")

    migrate = start("migrate")
    if migrate.process.wait(READY_S) != 0:
        raise SystemExit(migrate.log.read_text())
    say(f"migrate: ended with 0 ({migrate.log.read_text().count(' OK')} migrations)")
    services = {name: start(name) for name in ("web", "push", "apply", "beat")}
    atexit.register(lambda: [each.process.kill() for each in services.values()])
    try:
        for name, service in services.items():
            test = stage.healthcheck if name == "web" else compose[name]["healthcheck"]["test"][1:]
            test = [word.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for word in test]
            until(lambda service=service, test=test: service.is_healthy(test), f"the health check of {name}")
            say(f"{name}: healthy, as {stage.user}, on a read-only root")
        until(lambda: json.loads(ask(port, "/readyz")[1])["sweep_late"] is False, "a first sweep")
        say(f"/readyz: {ask(port, '/readyz')}")
        elsewhere = ask(port, "/admin/login/")[0]
        status, page = ask(port, "/admin/login/", Host="mirror.example.com", X_Forwarded_Proto="https")
        style = re.search(r'href="(/static/[^"]+\.css)"', page)[1]
        styles, _text = ask(port, style, Host="mirror.example.com", X_Forwarded_Proto="https")
        say(f"/admin/login/ by address: {elsewhere}; as mirror.example.com over https: {status}; {style}: {styles}")
        if (elsewhere, status, styles) != (400, 200, 200):
            raise SystemExit("That is not as it should be.")
    except (Exception, SystemExit):
        for service in services.values():
            print(f"--- {service.name}\n{service.log.read_text()[-3000:]}", file=sys.stderr)
        raise
    ends = {name: service.end() for name, service in services.items()}
    say(f"SIGTERM: {ends}")
    say(f"Files in {var_dir}: {', '.join(sorted(each.name for each in volume.iterdir()))}")
    if set(ends.values()) != {0}:
        raise SystemExit("Not all ended well.")


def main() -> int:
    if os.geteuid() != 0:
        print(
            "This check makes views of the machine's root and needs root itself: sudo make image-check", file=sys.stderr
        )
        return 3
    if "--inside" not in sys.argv:
        return subprocess.run(
            ["unshare", "--mount", "--propagation=private", sys.executable, __file__, "--inside"]
        ).returncode
    folder = Path(tempfile.mkdtemp(prefix="image-check-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        stage = build(folder)
        house(stage, folder)
    except Missing as problem:
        print(problem, file=sys.stderr)
        return 3
    except subprocess.CalledProcessError as problem:
        print(f"{shlex.join(problem.cmd)} ended with {problem.returncode}.", file=sys.stderr)
        return 3 if problem.cmd[0] == "mount" else 1
    say("The image's steps work.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
