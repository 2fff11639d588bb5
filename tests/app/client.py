"""A running application for tests, and a client that behaves as a browser does."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from skelact.app.server import Application, AppSettings, open_socket
from skelact.app.worker import Worker


class IdleWorker(Worker):
    """Starts no process; `answers` are the results of the next tasks, an exception is raised."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Any] = []
        self.tasks: list[Any] = []
        self.stopped = threading.Event()

    def start(self) -> Any:
        pass

    def stop(self) -> None:
        self.stopped.set()

    def run(self, task: Any, on_progress: Any, is_wanted: Any = None) -> Any:
        self.tasks.append(task)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(on_progress) if callable(answer) else answer


class HereWorker(IdleWorker):
    """Runs tasks in this process."""

    def run(self, task: Any, on_progress: Any, is_wanted: Any = None) -> Any:
        from skelact.app import tasks

        name, arguments = task
        return getattr(tasks, name)(**arguments, on_progress=on_progress)


class Answer:
    """The answer to a request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.content = response.status, response.read()
        self.headers = response.headers

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Browser:
    """A client with a session; it sends the headers that a browser sends."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self.request("GET", "/")

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request; a header with the value '' is left out."""
        own = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie}
        if method != "GET":
            own["Origin"] = f"http://127.0.0.1:{self.port}"
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in own.items():
            if value:
                connection.putheader(name, value)
        if body is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = Answer(connection.getresponse())
        connection.close()
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].split(";")[0]
        return answer

    def get(self, path: str) -> Any:
        """The JSON of a path."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer.content
        return answer.json

    def send(self, method: str, path: str, content: Any = None) -> Answer:
        """Send JSON."""
        return self.request(method, path, json.dumps(content or {}).encode())

    def post(self, path: str, content: Any = None) -> Any:
        """The JSON of the answer to JSON."""
        answer = self.send("POST", path, content)
        assert answer.status == 200, answer.content
        return answer.json

    def upload(self, name: str, content: bytes) -> Answer:
        """Upload a file."""
        return self.request("POST", f"/api/uploads?name={quote(name)}", content)

    def video(self, name: str) -> str:
        """The id of a video by its name."""
        return str(next(v["id"] for v in self.get("/api/videos") if v["name"] == name))

    def wait(self, job: int) -> dict[str, Any]:
        """The job when it has ended."""
        for _ in range(3000):
            found = next(j for j in self.get("/api/jobs") if j["id"] == job)
            if found["state"] not in ("queued", "running"):
                return dict(found)
            time.sleep(0.02)
        raise TimeoutError


class Running:
    """An application that listens on a port."""

    def __init__(self, application: Application, port: int, worker: Any) -> None:
        self.application, self.port, self.worker = application, port, worker
        self.project = application.context.project

    def browser(self) -> Browser:
        """A new browser."""
        return Browser(self.port)


@contextlib.contextmanager
def running(folder: Path, worker: Worker | None = None, **settings: Any) -> Iterator[Running]:
    """An application for the project in a folder, without a worker process if none is given."""
    import uvicorn

    worker = worker or IdleWorker()
    listener = open_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    try:
        application = Application(AppSettings(folder=folder, **settings), port, worker)
    except BaseException:
        listener.close()
        raise
    config = uvicorn.Config(application.asgi, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield Running(application, port, worker)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        application.close()
        listener.close()
