"""Carry out the steps of the Dockerfile where no Docker is, in a fresh Debian in a folder.

    python tools/try_dockerfile.py FOLDER      # as root; needs debootstrap

Debian is the one that FROM names. Then come the instructions as they stand in the file, each as the
user and in the folder that the file sets; at the end the program of CMD is started, that of
HEALTHCHECK must succeed, and the server must refuse whoever has no token. What this machine needs
to reach the network (names, certificates, proxy) is lent to the steps and is no part of the image.
What is not tried: the engine itself, its layers, and its published ports.
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[1]
LENT_FILES = ("/etc/resolv.conf", "/etc/hosts")
LENT_SETTINGS = ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATES = "run/certificates-of-this-machine.crt"
MOUNT = re.compile(r"--mount=type=bind,source=(\S+),target=(\S+)\s+")
SERVER, SECONDS = "http://127.0.0.1:8888/api", 120


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Instructions of a Dockerfile with what follows them, comments left out, lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        yield word, rest.strip()


def debian(image: str) -> str:
    """Debian's name in an image such as ``debian:trixie-slim``."""
    found = re.fullmatch(r"debian:([a-z]+)-slim", image)
    if not found:
        sys.exit(f"FROM must name a slim Debian, such as debian:trixie-slim (got {image})")
    return found[1]


def copy_context(folder: Path) -> None:
    """Copy what .dockerignore lets through: the checkout's files below its lines with ``!``."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    wanted = [line[1:] for line in lines if line.startswith("!")]
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *wanted]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)


class Image:
    """A Debian in a folder, and what a Dockerfile has set so far.

    Parameters
    ----------
    root
        Folder that the programs see as ``/``.
    context
        Folder with the files that the Dockerfile may take.
    """

    def __init__(self, root: Path, context: Path) -> None:
        self.root, self.context = root, context
        self.user, self.folder = "0", "/"
        self.settings = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.command: list[str] = []
        self.health: list[str] = []

    def within(self, command: list[str]) -> list[str]:
        """A command that runs another in the image, as its present user."""
        accounts = [line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines()]
        [account] = [found for found in accounts if self.user in (found[0], found[2])]
        lent = {name: os.environ[name] for name in LENT_SETTINGS if name in os.environ}
        if (self.root / CERTIFICATES).exists():
            lent["PIP_CERT"] = f"/{CERTIFICATES}"
        settings = {**lent, "HOME": account[5], **self.settings}
        return [
            "chroot", f"--userspec={account[2]}:{account[3]}", str(self.root),
            "env", "-i", f"--chdir={self.folder}", *(f"{k}={v}" for k, v in settings.items()),
            *command,
        ]  # fmt: skip

    def carry_out(self, word: str, rest: str) -> None:
        """Carry out one instruction."""
        if word == "RUN":
            self.run(rest)
        elif word == "ENV":
            for setting in shlex.split(rest):
                name, _, text = setting.partition("=")
                self.settings[name] = Template(text).substitute(self.settings)
        elif word == "USER":
            self.user = rest
        elif word == "WORKDIR":
            self.folder = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "CMD":
            self.command = json.loads(rest)
        elif word == "HEALTHCHECK":
            self.health = json.loads(rest.partition("CMD")[2])
        elif word != "EXPOSE":
            sys.exit(f"{word} is an instruction that this script does not know")

    def run(self, line: str) -> None:
        """Run a line of the shell, with the context's files in the places that it names."""
        with contextlib.ExitStack() as mounts:
            while found := MOUNT.match(line):
                target = self.root / found[2].lstrip("/")
                mounts.enter_context(mounted(self.context / found[1], target))
                line = line[found.end() :]
            subprocess.run(self.within(["/bin/sh", "-c", line]), check=True)

    def start(self) -> None:
        """Start the image's program, wait until it is healthy, and try to enter without a token."""
        if answers(SERVER.removesuffix("/api")):
            sys.exit("something serves port 8888 of this machine already; end it first")
        server = subprocess.Popen(self.within(self.command), start_new_session=True)
        try:
            limit = time.monotonic() + SECONDS
            while subprocess.run(self.within(self.health), capture_output=True).returncode:
                if time.monotonic() > limit or server.poll() is not None:
                    sys.exit("the server did not become healthy")
            for place in ("contents", "kernels"):
                if answers(f"{SERVER}/{place}") != 403:
                    sys.exit(f"the server gives {place} to those without a token")
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


@contextlib.contextmanager
def mounted(source: Path, target: Path) -> Iterator[None]:
    """Let a file or folder be seen at another place, unchangeable."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    subprocess.run(["mount", "--bind", "-o", "ro", source, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


def answers(address: str) -> int | None:
    """HTTP status of what an address answers, None if nothing is there."""
    try:
        return urllib.request.urlopen(address, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, TimeoutError):
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to put the Debian; must not exist")
    folder = parser.parse_args().folder.absolute()
    if os.geteuid() != 0:
        sys.exit("needs root, as it changes the root folder of programs")
    (context := folder / "context").mkdir(parents=True)
    root = folder / "root"
    copy_context(context)
    (_, base), *steps = instructions((ROOT / "Dockerfile").read_text("utf-8"))
    subprocess.run(["debootstrap", "--variant=minbase", debian(base), root], check=True)
    for name in LENT_FILES:
        shutil.copyfile(name, root / name.lstrip("/"))
    if certificates := os.environ.get("PIP_CERT"):
        shutil.copyfile(certificates, root / CERTIFICATES)
    image = Image(root, context)
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    try:
        for word, rest in steps:
            start = time.perf_counter()
            print(f"--- {word} {rest}", flush=True)
            image.carry_out(word, rest)
            if word == "RUN":
                print(f"--- {time.perf_counter() - start:.0f} s", flush=True)
        image.start()
    finally:
        subprocess.run(["umount", root / "proc"], check=True)
    print("--- every step was carried out; the server is healthy and asks for a token")


if __name__ == "__main__":
    main()
