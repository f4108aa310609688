"""A web server for tests: serves files, resumes downloads, fails on demand, counts."""

import http.server
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        if self.path in self.server.answers:
            self.server.answers[self.path](self)
            return
        if self.server.status or self.path not in self.server.files:
            self.send_error(self.server.status or 404)
            return
        content = self.server.files[self.path]
        size = content.stat().st_size
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if not self.server.resumes:
            start = 0
        if start >= size:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        with content.open("rb") as file:
            file.seek(start)
            if self.server.stop_after is None:
                shutil.copyfileobj(file, self.wfile)
            else:
                self.wfile.write(file.read(self.server.stop_after))

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Attributes: `files` and `moved` by path, `answers` (functions), `asked`, and how it fails."""

    def reset(self):
        self.files, self.moved, self.answers, self.asked = {}, {}, {}, []
        self.status = self.stop_after = None
        self.resumes = True

    def handle_error(self, *_):  # a client that went away
        pass


@contextmanager
def serving():
    server = Server(("127.0.0.1", 0), Handler)
    server.reset()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def started(path):
    """Process that serves a file until this one ends or closes its input, and the address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    return process, process.stdout.readline().strip()


if __name__ == "__main__":
    with serving() as own:
        served = Path(sys.argv[1])
        own.files[f"/{served.name}"] = served
        print(f"{own.url}/{served.name}", flush=True)
        sys.stdin.read()
