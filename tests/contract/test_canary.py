"""Law 9: a canary stands in every place that can hold a secret, and nothing sings anywhere else.

Every agent, command and failure is run as a process, with Pacemaker's real tools on a CIB in a file
and a Keystone that repeats what it is told. Then all output, logs, exit reasons, command lines and
environments of children, file modes, files and cores are searched.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.contract.conftest import CIB, ROOT
from tests.contract.namespace import Namespace, laid_over
from tests.serving import serving

BIRD = "C4n4ry"
PLACES = ("conf", "clouds", "secure", "parameter", "cib", "ipmi", "environment", "url", "stdin")
TAIL = "$x&/%<'\""


def canary(place: str) -> str:
    """The secret of one place; with the signs that a shell, a URL and XML change."""
    return f"{BIRD}-{place}-{TAIL}"


def sings(text: bytes) -> bool:
    """Whether any canary is in it, in whatever form."""
    bird = BIRD.encode()
    forms = (bird, bird.lower(), bird.hex().encode(), base64.b64encode(bird))
    return any(form in text for form in forms)


class Keystone(ThreadingHTTPServer):
    """It refuses everybody, and repeats what it was told. heard: whether the password was right."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusal)
        self.heard: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v3"


class Refusal(BaseHTTPRequestHandler):
    server: Keystone

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        link = [{"rel": "self", "href": self.server.url}]
        self._answer(200, {"version": {"id": "v3.14", "status": "stable", "links": link}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.heard.append(body)
        said = json.loads(body)["auth"]["identity"]["password"]["user"]["password"]
        message = f"wrong password {said} at http://u:{quote(said, safe='')}@k/?password={said}"
        self._answer(401, {"error": {"code": 401, "message": message}})

    def _answer(self, code: int, document: dict[str, object]) -> None:
        text = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def keystone() -> Iterator[Keystone]:
    with serving(Keystone()) as server:
        yield server


class Watch:
    """Looks at each process of the machine that may be ours, again and again."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self.environments: set[bytes] = set()
        self.cores: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        known: set[str] = set()
        evacuators: set[str] = set()
        while not self._ended.wait(0.003):
            self._look_at_cores(evacuators)
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if pid in known:
                    continue
                try:
                    line = Path("/proc", pid, "cmdline").read_bytes()
                    environment = Path("/proc", pid, "environ").read_bytes()
                    parent = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
                    above = Path("/proc", parent, "cmdline").read_bytes()
                except OSError:
                    continue
                if line == above:
                    continue  # forked, and not yet what it is going to be
                known.add(pid)
                self.lines.add(line)
                if b"novaha" in line or b"novaha" in above or b"ocf/" in above:
                    if b"novaha.evacuator" in line or b"ocf/" in above or b"/bin/novaha" in above:
                        self.environments.add(environment)
                    if b"novaha.evacuator" in line:
                        evacuators.add(pid)

    def _look_at_cores(self, evacuators: set[str]) -> None:
        """Note the limits of those that have loaded their libraries: rights are given up before."""
        for pid in tuple(evacuators):
            with suppress(OSError):
                if b"lxml" in Path("/proc", pid, "maps").read_bytes():
                    self.cores.add(Path("/proc", pid, "limits").read_text())
                    evacuators.remove(pid)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


RECORD = """#!/bin/sh
# Notes how it was called, and is the real one.
{{ printf '%s\\n' "$0" "$@"; env; }} >>"{record}"
exec "/usr/sbin/$(basename "$0")" "$@"
"""


class Site:
    """The files of a site, a namespace around them, and all that was ever said."""

    def __init__(self, place: Path, keystone: Keystone) -> None:
        self.place = place
        self.keystone = keystone
        self.said: list[tuple[str, bytes]] = []
        self._tools()
        self._files()
        directories = "/run /var/log /etc/novaha /etc/openstack"
        script = f"""
{laid_over(place / "layers", "/etc")}
mkdir -p /etc/novaha /etc/openstack
for directory in {directories}; do mount -t tmpfs -o mode=755 none $directory; done
cp {place}/novaha.conf /etc/novaha/; cp {place}/*.yaml /etc/openstack/
chmod 640 /etc/novaha/* /etc/openstack/*
"""
        self.environment = {
            "PATH": f"{place}/bin:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(ROOT),
            "CIB_file": str(place / "cib.xml"),
            "HA_RSCTMP": str(place / "rsctmp"),
            "OS_PASSWORD": canary("environment"),
            "OS_CLOUD": "other",
        }
        self.namespace = Namespace(script, self.environment, place)

    def _tools(self) -> None:
        tools = self.place / "bin"
        tools.mkdir()
        for name in ("cibadmin", "crm_mon", "stonith_admin", "attrd_updater", "pcs"):
            (tools / name).write_text(RECORD.format(record=self.place / "record"))
        (tools / "crm_node").write_text("#!/bin/sh\necho controller-1\n")
        for tool in tools.iterdir():
            tool.chmod(0o755)

    def _files(self) -> None:
        from xml.sax.saxutils import quoteattr

        url = self.keystone.url
        login = f"auth_type = password\nauth_url = {url}\nusername = u\nproject_name = p\n"
        login += "user_domain_name = d\nproject_domain_name = d\n"
        conf = f"[keystone]\n{login}password = {canary('conf')}\n"
        (self.place / "novaha.conf").write_text(conf)
        auth = {"auth_url": url, "username": "u", "project_name": "p", "user_domain_name": "d"}
        auth |= {"project_domain_name": "d", "password": canary("clouds")}
        (self.place / "clouds.yaml").write_text(json.dumps({"clouds": {"site": {"auth": auth}}}))
        secure = {"clouds": {"site": {"auth": {"password": canary("secure")}}}}
        (self.place / "secure.yaml").write_text(json.dumps(secure))
        ipmi = '<instance_attributes id="ipmi-1-a">'
        pair = f'<nvpair id="pw" name="password" value={quoteattr(canary("ipmi"))}/>'
        ours = (
            '<primitive id="nova-evacuate" class="ocf" provider="openstack" type="NovaEvacuate">'
            '<instance_attributes id="nea">'
            f'<nvpair id="ne1" name="auth_url" value={quoteattr(url)}/>'
            '<nvpair id="ne2" name="username" value="u"/>'
            f'<nvpair id="ne3" name="password" value={quoteattr(canary("cib"))}/>'
            "</instance_attributes></primitive>"
            '<primitive id="fence-nova" class="stonith" type="fence_compute">'
            '<instance_attributes id="fna">'
            f'<nvpair id="fn1" name="passwd" value={quoteattr(canary("cib"))}/>'
            "</instance_attributes></primitive>"
        )
        cib = CIB.replace(ipmi, ipmi + pair).replace("</resources>", f"{ours}</resources>")
        (self.place / "cib.xml").write_text(cib)

    def run(self, *argv: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[bytes]:
        """A process in the namespace; what it says is kept."""
        enter = ("nsenter", "--mount", "--target", str(self.namespace._holder.pid), "--")
        done = subprocess.run(
            ["prlimit", "--core=unlimited", *enter, *argv],
            input=stdin.encode(),
            env={**self.environment, **more},
            cwd=self.place,
            capture_output=True,
            timeout=120,
            check=False,
        )
        what = f"{' '.join(argv[1:3])} {' '.join(more)}"
        self.said += [(f"{what}: stdout", done.stdout), (f"{what}: stderr", done.stderr)]
        return done

    def agent(self, name: str, action: str, **more: str) -> int:
        """One action, with the secrets that Pacemaker would hand to it."""
        given = {"OCF_RESKEY_password": canary("parameter"), "HA_debug": "1", **more}
        return self.run(sys.executable, str(ROOT / name), action, **given).returncode

    def fence(self, action: str, **more: str) -> int:
        given = {"action": action, "plug": "compute-1", "password": canary("stdin"), **more}
        given |= {"passwd": canary("stdin"), "auth_url": f"http://u:{canary('url')}@k/"}
        stdin = "".join(f"{name}={value}\n" for name, value in given.items())
        return self.run(
            sys.executable, str(ROOT / "fence_agents/fence_compute"), stdin=stdin
        ).returncode

    def command(self, *argv: str, **more: str) -> int:
        return self.run(sys.executable, "-m", "novaha.cli.main", *argv, **more).returncode

    def files(self) -> Iterator[tuple[str, int, bytes]]:
        """Every file that was made in the namespace or beside the site's own."""
        holder = self.namespace._holder.pid
        root = Path(f"/proc/{holder}/root")
        for top in (root / "run", root / "var/log", self.place):
            for path in sorted(top.rglob("*")):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    yield str(path).removeprefix(str(root)), status.st_mode, path.read_bytes()


CRASH = """
pid=$(cut -d' ' -f1 /run/novaha/evacuator.pid)
grep -q '^Max core file size *0 ' /proc/$pid/limits && kill -ABRT $pid
"""
"""Not where it would leave a core in the root of this machine."""

OWN = {"novaha.conf", "clouds.yaml", "secure.yaml", "cib.xml"}
"""Where the secrets stand because somebody has put them there."""

AGENTS = ("ocf/NovaEvacuate", "ocf/NovaCompute", "ocf/libvirtd", "ocf/nova-compute-wait")
ACTIONS = ("validate-all", "monitor", "start", "stop", "x")


@pytest.fixture
def site(tmp_path: Path, keystone: Keystone) -> Iterator[Site]:
    made = Site(tmp_path, keystone)
    yield made
    made.agent("ocf/NovaEvacuate", "stop")
    made.namespace.close()


def test_law_9_no_secret_leaves_its_place(site: Site) -> None:
    watch = Watch()
    try:
        _everything(site)
    finally:
        watch.close()
    loud = [(what, _around(text)) for what, text in site.said if sings(text)]
    assert not loud, loud
    assert not [line for line in watch.lines if sings(line)]
    assert watch.environments, "no child was seen"
    inherited = [e for e in watch.environments if sings(e)]
    assert not inherited, [e[:2000] for e in inherited]
    record = (site.place / "record").read_bytes()
    assert b"cibadmin" in record
    assert not sings(record)
    found = [name for name, _, text in site.files() if sings(text)]
    assert {Path(name).name for name in found} <= OWN, found
    for name, mode, _ in site.files():
        if name.startswith(("/run/novaha", "/var/log/novaha")):
            assert not mode & 0o007, (name, oct(mode))
    assert watch.cores, "the evacuator was not seen"
    for limits in watch.cores:
        assert re.search(r"^Max core file size +0 ", limits, re.M), limits
    heard = b"".join(site.keystone.heard)
    for place in ("conf", "parameter"):
        assert f"{BIRD}-{place}".encode() in heard, f"{place} was never used: nothing is proven"


def _around(text: bytes) -> bytes:
    """What stands before a canary."""
    at = text.lower().find(BIRD.lower().encode())
    return text[max(0, at - 200) : at + 40]


def _everything(site: Site) -> None:
    """Each agent, each command, each failure, as processes."""
    url = site.keystone.url
    login = {"OCF_RESKEY_auth_url": url, "OCF_RESKEY_username": "u"}
    for agent in AGENTS:
        for action in ACTIONS:
            site.agent(agent, action)
    _evacuator(site, {})
    _evacuator(site, login)
    for wrong in (
        {
            "OCF_RESKEY_auth_url": f"http://u:{canary('url')}@127.0.0.1:1/v3",
            "OCF_RESKEY_username": "u",
        },
        {"OCF_RESKEY_insecure": canary("parameter")},
        {"OCF_RESKEY_config": f"/nowhere/{BIRD.lower()[:3]}"},
        {"OCF_RESKEY_password": f"{canary('parameter')}\n", **login},
    ):
        for action in ("validate-all", "start"):
            site.agent("ocf/NovaEvacuate", action, OCF_CHECK_LEVEL="10", **wrong)
        site.agent("ocf/NovaCompute", "validate-all", OCF_CHECK_LEVEL="10", **wrong)
    for action in ("off", "status", "list", "validate-all", "x"):
        site.fence(action)
        site.fence(action, plug="nobody", verbose="1", debug_file=str(site.place / "debug"))
    site.fence("off", delay=canary("stdin"))
    fence = (sys.executable, str(ROOT / "fence_agents/fence_compute"))
    site.run(*fence, stdin=f"action=off\nplug={canary('stdin')}\npassword={canary('stdin')}\n")
    for argv in (
        ("status",),
        ("status", "--output", "json"),
        ("doctor",),
        ("doctor", "--debug"),
        ("setup",),
        ("setup", "--remove"),
        ("migrate",),
        ("migrate", "--back", str(site.place / "cib.xml")),
        ("recover", "compute-1"),
        ("retry", "compute-1"),
        ("release", "compute-1"),
    ):
        site.command(*argv)
    _slips(site)


def _evacuator(site: Site, login: dict[str, str]) -> None:
    """A whole life: it starts, is asked at each depth, reloads, crashes, and is stopped."""
    agent = "ocf/NovaEvacuate"
    assert site.agent(agent, "start", **login) == 0, site.said[-1]
    for level in ("0", "10"):
        site.agent(
            agent, "monitor", OCF_CHECK_LEVEL=level, OCF_RESKEY_CRM_meta_interval="1", **login
        )
    site.agent(agent, "monitor", PCMK_service="crm_resource", OCF_CHECK_LEVEL="10", **login)
    site.command("status")
    site.command("status", "--output", "json")
    site.command("doctor", "--only", "recovery", "cloud", "node")
    site.agent(agent, "reload-agent", **login)
    time.sleep(1.0)
    site.run("sh", "-c", CRASH)
    site.agent(agent, "monitor", **login)
    site.agent(agent, "stop", **login)


def _slips(site: Site) -> None:
    """Files with a slip in them, read by agent and commands."""
    bird = canary("conf")
    for number, text in enumerate(
        (
            f"[keystone]\npassword {bird}\n",
            f"[keystone]\n= {bird}\n",
            f"[keystone]\npassword = x\n  {bird}\n",
            f"password = {bird}\n",
            f"[keystone]\nauth_type = {bird}\n",
            f"[keystone]\nauth_type = password\nauth_url = http://u:{bird}@127.0.0.1:1/\n"
            f"username = u\npassword = {bird}\n",
            f"[keystone]\ncafile = /nowhere\nauth_type = password\nauth_url = {site.keystone.url}\n"
            f"username = u\npassword = {bird}\n",
            "[keystone]\ncloud = site\n",
            "[keystone]\ncloud = nobody\n",
            f"[evacuator]\npoll_interval = {bird}\n",
            f"[nova]\nhost_names = {bird}\n",
        )
    ):
        file = site.place / f"slip-{number}"
        file.write_text(text)
        file.chmod(0o640)
        given = {"OCF_RESKEY_config": str(file)}
        if site.agent("ocf/NovaEvacuate", "start", **given) == 0:
            site.agent("ocf/NovaEvacuate", "stop")
        site.command("status", "--config", str(file))
        file.unlink()


@pytest.mark.parametrize(
    "form", [str, str.lower, repr, quote, json.dumps, lambda s: s.encode().hex()]
)
def test_a_canary_is_heard_in_each_form(form) -> None:
    for place in PLACES:
        assert sings(f"x {form(canary(place))} y".encode())
    assert not sings(b"nothing")
