"""Who may ask the server for what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra app is not installed")
pytest.importorskip("uvicorn", reason="the extra app is not installed")

from skelact.app.server import AppSettings, open_socket
from skelact.errors import ConfigError, PathMissing
from tests.app.client import Running, running
from tests.helpers import encode

PASSWORD = "a long password"


def small_video(out: Path, seconds: int = 1, colour: str = "red") -> Path:
    source = f"color={colour}:size=64x48:rate=10:duration={seconds}"
    return encode(out, "-f", "lavfi", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("app")
    small_video(root / "project" / "clip.mp4")
    small_video(root / "elsewhere" / "secret.mp4")
    (root / "project" / "link.mp4").symlink_to(root / "elsewhere" / "secret.mp4")
    (root / "project" / "runs").mkdir()
    (root / "project" / "runs" / "evil").symlink_to(root / "elsewhere")
    with running(root / "project", max_upload_mb=1) as application:
        yield application


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:80"])
def test_other_names_of_the_server_are_refused(app: Running, host: str) -> None:
    """Else a page under another name that resolves to this machine could ask it."""
    browser = app.browser()
    assert browser.request("GET", "/api/videos", Host=host).status == 421
    assert browser.request("GET", "/", Host=host).status == 421
    assert browser.request("GET", "/", Host=f"localhost:{app.port}").status == 200


def test_requests_of_other_sites_are_refused(app: Running) -> None:
    browser = app.browser()
    for origin in ("http://evil.example", "null", "", f"https://127.0.0.1:{app.port}"):
        assert browser.request("POST", "/api/labels/undo", b"{}", Origin=origin).status == 403
    for site in ("cross-site", "same-site"):
        assert browser.request("GET", "/api/videos", Sec_Fetch_Site=site).status == 403
    # a link of another site may lead to the page, but not embed it
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    answer = browser.request("GET", "/", **link)
    assert (
        answer.status == 200
        and "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    )
    assert (
        browser.request("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="cors").status
        == 403
    )


def test_every_answer_needs_a_session_and_has_the_headers(app: Running) -> None:
    browser = app.browser()
    for path in ("/api/videos", "/api/labels", "/media/x", "/runs/x/report", "/nothing"):
        assert browser.request("GET", path, Cookie="").status == 401
        assert browser.request("GET", path, Cookie=f"skelact-{app.port}=guess").status == 401
        answer = browser.request("GET", path)
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
    first = browser.request("GET", "/", Cookie="").headers["set-cookie"]
    assert "HttpOnly" in first and "SameSite=strict" in first


def test_only_files_of_the_folders_are_served(app: Running) -> None:
    browser = app.browser()
    assert [v["name"] for v in browser.get("/api/videos")] == ["clip.mp4"]  # not the link
    for path in (
        *("/static/../server.py", "/static/%2e%2e%2fserver.py", "/static/..%5cserver.py"),
        *("/media/..%2f..%2fsecret.mp4", "/media/clip.mp4", "/api/videos/%00"),
        *("/runs/evil/report", "/runs/..%2felsewhere/report", "/runs/../report"),
        "/static/login.html",
    ):
        assert browser.request("GET", path).status == 404, path


def test_the_page_loads_nothing_from_elsewhere() -> None:
    static = Path(__import__("skelact.app.server", fromlist=["STATIC"]).STATIC)
    for file in static.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "//cdn" not in text, file.name
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, f"{file.name}: {word}"
        assert file.name.endswith(".svg") or len(text.splitlines()) <= 400, file.name


def test_sessions_do_not_see_the_uploads_of_others(app: Running, tmp_path: Path) -> None:
    mine, other = app.browser(), app.browser()
    content = small_video(tmp_path / "private.mp4").read_bytes()
    video = mine.upload("private.mp4", content).json["id"]
    assert mine.get(f"/api/videos/{video}")["upload"]
    assert mine.request("GET", f"/media/{video}").content == content
    part = mine.request("GET", f"/media/{video}", Range="bytes=100-199")  # to seek
    assert part.status == 206 and part.content == content[100:200]
    assert "private.mp4" not in [v["name"] for v in other.get("/api/videos")]
    for method, path in (
        *(("GET", f"/api/videos/{video}"), ("GET", f"/media/{video}")),
        *(("GET", f"/api/videos/{video}/poses"), ("POST", f"/api/videos/{video}/predict")),
        *(("POST", f"/api/uploads/{video}/keep"), ("DELETE", f"/api/uploads/{video}")),
    ):
        body = None if method == "GET" else b"{}"
        assert other.request(method, path, body).status == 404, path
    label = {"video": video, "label": "x", "start": 0, "end": 1}
    refused = mine.send("POST", "/api/labels", label)
    assert refused.status == 400 and "Add it to the project" in refused.json["hint"]
    folder = app.project.uploads[video].path.parent
    assert mine.send("DELETE", f"/api/uploads/{video}").status == 200
    assert not folder.exists()


def test_uploads_have_a_limit_and_a_safe_name(app: Running, tmp_path: Path) -> None:
    browser = app.browser()
    for name in ("../../evil.sh", "a.html", "", "x" * 300, ".mp4.exe"):
        assert browser.upload(name, b"x").status == 400
    large = browser.upload("a.mp4", b"\0" * (1 << 20) + b"x")
    assert large.status == 413 and "1.0 MB" in large.json["error"]
    lying = browser.request(
        "POST",
        "/api/uploads?name=a.mp4",
        b"100000\r\n" + b"\0" * (1 << 20) + b"\r\n1\r\nx\r\n0\r\n\r\n",
        Content_Length="",
        Transfer_Encoding="chunked",
    )
    assert lying.status == 413
    broken = browser.upload("../<b>broken</b>.mp4", b"not a video" * 99)
    assert broken.status == 400 and "not a video" in broken.json["error"]
    assert not app.project.uploads and list(app.project.place.iterdir()) == []
    content = small_video(tmp_path / "a.mp4").read_bytes()
    shown = browser.upload("..\\x/<img src=x onerror=alert(1)>.mp4", content).json
    assert shown["name"] == "_img src_x onerror_alert(1)_.mp4"


def test_a_password_protects_everything_but_the_form(tmp_path: Path) -> None:
    with running(tmp_path, password=PASSWORD) as app:
        browser = app.browser()
        assert browser.cookie == ""
        first = browser.request("GET", "/")
        assert first.status == 303 and first.headers["location"] == "/login"
        assert b"password" in browser.request("GET", "/login").content
        assert browser.request("GET", "/api/videos").status == 401
        assert browser.request("POST", "/login", b"password=wrong").status == 403
        right = f"password={PASSWORD.replace(' ', '+')}".encode()
        assert app.application.sessions._next_attempt > 0
        app.application.sessions._next_attempt = time.monotonic() + 60
        assert browser.request("POST", "/login", right).status == 403  # too soon: no guessing
        app.application.sessions._next_attempt = 0.0
        assert browser.request("POST", "/login", right).status == 303
        assert browser.get("/api/videos") == []


def test_other_hosts_need_a_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="reached by other machines"):
        AppSettings(folder=tmp_path, host="0.0.0.0")
    with pytest.raises(ConfigError, match="fewer than 8"):
        AppSettings(folder=tmp_path, password="short")
    assert AppSettings(folder=tmp_path, host="0.0.0.0", password=PASSWORD)
    with pytest.raises(PathMissing), running(tmp_path / "absent"):
        pass
    taken = open_socket("127.0.0.1", 0)
    with taken, pytest.raises(ConfigError, match="cannot be used"):
        open_socket("127.0.0.1", taken.getsockname()[1])
