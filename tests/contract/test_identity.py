"""The real evacuator, started by its agent as root: whom it becomes and what it keeps.

In a mount namespace with users, `/run`, logs and configuration of its own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.namespace import Namespace, laid_over

ROOT = Path(__file__).resolve().parents[2]
AGENT = ROOT / "ocf/NovaEvacuate"
RUN, LOG, CONF = "/run/novaha", "/var/log/novaha", "/etc/novaha/novaha.conf"
ROTATION = "/run/place/rotation"
USER, OTHER, GROUP = 901, 902, 903

OK, GENERIC, PERM, INSTALLED, NOT_RUNNING, DEGRADED = 0, 1, 4, 5, 7, 190
_DAC_OVERRIDE = 1 << 1

# The tests' Python may be one that only root can reach.
PYTHON = """
kept={place}/kept
of_base() {{ echo "$kept/$(echo "$1" | tr / _)"; }}
for base in {base} {prefix} {root}; do
    mkdir -p "$(of_base "$base")"; mount --rbind "$base" "$(of_base "$base")"
done
for base in {base} {prefix} {root}; do
    part=
    for word in $(echo "$base" | tr / ' '); do
        part=$part/$word
        [ "$part" = "$base" ] || [ ! -d "$part" ] ||
            [ -n "$(find "$part" -maxdepth 0 -perm -o=x)" ] ||
            mount -t tmpfs -o mode=755 none "$part"
    done
done
for base in {base} {prefix} {root}; do
    [ "$base" -ef "$(of_base "$base")" ] && continue
    mkdir -p "$base"; mount --rbind "$(of_base "$base")" "$base"
done
umount -l "$kept"/*
"""
SCRIPT = """
{laid_over}
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/place /var/log /etc
mount -t tmpfs -o mode=755 none /var/log
cp /etc/passwd /etc/group /run/place/
sed -i '/^novaha:/d; /^other:/d' /run/place/passwd
sed -i '/^novaha:/d; /^haclient:/d' /run/place/group
echo 'haclient:x:{group}:novaha' >>/run/place/group
echo 'other:x:{other}:{other}::/nonexistent:/usr/sbin/nologin' >>/run/place/passwd
{user}
mount --bind /run/place/passwd /etc/passwd
mount --bind /run/place/group /etc/group
mkdir -p /etc/novaha
mount -t tmpfs -o mode=755 none /etc/novaha
chgrp haclient /etc/novaha; chmod 750 /etc/novaha
cp {conf} {path}
chgrp haclient {path}; chmod 640 {path}
cp {cib} /run/place/cib.xml
chmod 666 /run/place/cib.xml; chmod 777 /run/place
cp {root}/packaging/debian/novaha-agents.logrotate {rotation}; chmod 644 {rotation}
cp -r {bin} /run/place/bin; cp {node} /run/place/node
sed -i s:{bin_parent}/node:/run/place/node: /run/place/bin/crm_node
chmod -R a+rX /run/place
"""
MAKE_USER = (
    "echo 'novaha:x:{user}:{user}::/nonexistent:/usr/sbin/nologin' >>/run/place/passwd; "
    "echo 'novaha:x:{user}:' >>/run/place/group"
)
TEXT = "[keystone]\nauth_type = none\nendpoint = http://127.0.0.1:9/v2.1\ncafile = /etc/novaha/ca\n"


class Controller:
    """A controller whose NovaEvacuate is told what to do."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def agent(self, action: str, code: int = OK, level: int = 0, **parameters: str) -> str:
        """Carry out an action; what it says on both streams."""
        words = [f"OCF_RESKEY_{name}={value}" for name, value in parameters.items()]
        env = ["env", f"OCF_CHECK_LEVEL={level}", "OCF_RESKEY_CRM_meta_timeout=30000", *words]
        command = shlex.join([*env, sys.executable, str(AGENT), action])
        done = self.sh(f'{command} 2>&1; echo "code $?"')
        assert done.splitlines()[-1] == f"code {code}", done
        return done

    def sh(self, script: str) -> str:
        return self._namespace.run("sh", "-c", script).stdout

    def ask(self, question: str = "health") -> dict:
        code = "import json; from novaha.evacuator import client; "
        code += f"print(json.dumps(client.ask({question!r})))"
        return dict(json.loads(self._namespace.run(sys.executable, "-c", code).stdout))

    def doctor(self) -> tuple[str, str]:
        """What doctor says about the evacuator's user: verdict and remedy."""
        argv = [sys.executable, "-m", "novaha.cli.main", "doctor", "--only", "node"]
        said = self.sh(f"{shlex.join([*argv, '--output', 'json'])} || true")
        (found,) = (f for f in json.loads(said) if f["check"] == "evacuator-user")
        return str(found["verdict"]), str(found["remedy"])

    @property
    def pid(self) -> int:
        return int(self.ask()["pid"])

    def status(self) -> dict[str, str]:
        rows = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (row.partition(":") for row in rows)}


@pytest.fixture
def make(
    tmp_path: Path, environment: dict[str, str], cib: Path
) -> Iterator[type[Controller] | object]:
    made: list[Namespace] = []

    def of(user: bool = True) -> Controller:
        (tmp_path / "conf").write_text(TEXT)
        names = {
            "conf": tmp_path / "conf", "path": CONF, "cib": cib, "root": ROOT, "rotation": ROTATION,
            "bin": tmp_path / "bin", "bin_parent": tmp_path, "node": tmp_path / "node",
            "group": GROUP, "other": OTHER, "laid_over": laid_over(tmp_path / "layers", "/etc"),
            "user": MAKE_USER.format(user=USER) if user else "",
        }  # fmt: skip
        script = SCRIPT.format(**names) + PYTHON.format(
            base=sys.base_prefix, prefix=sys.prefix, root=ROOT, place="/run/place"
        )
        path = environment["PATH"].replace(str(tmp_path / "bin"), "/run/place/bin")
        env = {**environment, "PATH": path, "CIB_file": "/run/place/cib.xml"}
        made.append(Namespace(script, env, tmp_path))
        return Controller(made[-1])

    yield of
    for namespace in made:
        Controller(namespace).agent("stop")
        namespace.close()


def assert_private(controller: Controller, uid: int) -> None:
    """Whoever it is: no core dump, nobody looks into it, nothing is gained by executing."""
    status = controller.status()
    assert status["NoNewPrivs"] == "1"
    assert os.stat(f"/proc/{controller.pid}/environ").st_uid == 0, "it can be dumped"
    limits = Path(f"/proc/{controller.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    assert status["Uid"].split() == [str(uid)] * 4


def test_it_runs_as_its_own_user_with_no_rights_at_all(make) -> None:
    controller = make()
    controller.agent("start")
    assert_private(controller, USER)
    status = controller.status()
    assert status["Gid"].split() == [str(USER)] * 4
    assert set(status["Groups"].split()) == {str(USER), str(GROUP)}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert controller.ask()["user"] == "novaha"
    assert controller.ask()["attention"] == []
    metrics = controller.sh(f"{sys.executable} -m novaha.cli.main metrics").splitlines()
    assert {"novaha_evacuator_running 1", "novaha_recoveries_total 0"} <= {*metrics}
    shown = controller.sh(f"stat -c '%a %U %G %n' {RUN} {RUN}/* {LOG} {LOG}/*").splitlines()
    assert shown == [
        f"750 novaha haclient {RUN}",
        f"660 novaha haclient {RUN}/bell",
        f"600 novaha novaha {RUN}/evacuator.pid",
        f"660 novaha haclient {RUN}/evacuator.sock",
        f"750 novaha haclient {LOG}",
        f"640 novaha root {LOG}/nova-evacuate.log",
    ]


def test_the_agent_knows_reloads_and_ends_it(make) -> None:
    controller = make()
    controller.agent("monitor", NOT_RUNNING)
    controller.agent("start")
    first = controller.pid
    controller.agent("start")
    assert controller.pid == first
    controller.agent("monitor")
    controller.agent("reload-agent")
    second = controller.pid
    assert second != first
    assert_private(controller, USER)
    controller.agent("stop")
    controller.agent("monitor", NOT_RUNNING)
    assert not Path(f"/proc/{second}").exists() or "Z" in Path(f"/proc/{second}/stat").read_text()
    controller.agent("stop")


def test_one_whose_pid_file_is_lost_is_found_and_ended(make) -> None:
    controller = make()
    controller.agent("start")
    pid = controller.pid
    controller.sh(f"rm {RUN}/evacuator.pid")
    controller.agent("stop")
    assert (
        not Path(f"/proc/{pid}/environ").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def test_without_such_a_user_root_keeps_one_right(make) -> None:
    controller = make(user=False)
    controller.agent("start")
    assert_private(controller, 0)
    status = controller.status()
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[name], 16) == _DAC_OVERRIDE, name
    assert controller.ask()["user"] == "root"
    assert controller.ask()["attention"] == []


def test_the_user_can_be_chosen(make) -> None:
    controller = make()
    controller.agent("start", user="other")
    assert_private(controller, OTHER)
    assert str(GROUP) in controller.status()["Groups"].split()
    controller.agent("monitor", user="other")
    controller.agent("stop", user="other")
    controller.agent("monitor", NOT_RUNNING)
    assert "there is no user 'nobody-of-this-name'" in controller.agent(
        "start", INSTALLED, user="nobody-of-this-name"
    )


def test_where_acls_would_refuse_it_root_stays_unless_somebody_says_so(make, cib) -> None:
    acls = '<cluster_property_set id="p"><nvpair id="a" name="enable-acl" value="true"/>'
    config = f"<crm_config>{acls}</cluster_property_set></crm_config>"
    cib.write_text(cib.read_text().replace("<crm_config/>", config))
    controller = make()
    controller.agent("start")
    assert_private(controller, 0)
    # A restart would change nothing.
    assert controller.doctor() == ("warning", "pcs resource update nova-evacuate user=hacluster")
    controller.agent("stop")
    controller.agent("start", user="novaha")
    assert_private(controller, USER)
    assert controller.doctor()[0] == "ok"


def test_one_user_after_another(make) -> None:
    """What the one has left the next can use: root, its own user, root again."""
    controller = make()
    turns = (("root", 0), ("", USER), ("root", 0), ("other", OTHER), ("novaha", USER))
    for user, uid in turns:
        controller.sh(f"mkdir -p {LOG}; echo '{{}}' >>{LOG}/journal.jsonl")
        controller.agent("start", **({"user": user} if user else {}))
        assert_private(controller, uid)
        owners = controller.sh(f"stat -c %u {RUN} {RUN}/* {LOG} {LOG}/*").split()
        assert set(owners) == {str(uid)}
        controller.agent("stop")
        owners = controller.sh(f"stat -c %u {RUN} {LOG} {LOG}/*").split()
        assert set(owners) == {"0"}, "an earlier version could not use them"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (f"chmod 600 {CONF}", f"cannot read {CONF} (chgrp haclient {CONF}; chmod 640 {CONF})"),
        (f"chgrp root {CONF}", f"cannot read {CONF} (chgrp haclient {CONF}; chmod 640 {CONF})"),
        (
            "chmod 700 /etc/novaha",
            f"cannot read {CONF} (setfacl -m u:novaha:x /etc/novaha)",
        ),
        (
            "touch /etc/novaha/ca; chmod 600 /etc/novaha/ca",
            "cannot read /etc/novaha/ca (setfacl -m u:novaha:r /etc/novaha/ca)",
        ),
    ],
)
def test_what_the_user_cannot_read_is_named_with_the_remedy(make, spoil: str, says: str) -> None:
    controller = make()
    controller.sh(spoil)
    said = controller.agent("start", PERM, user="novaha")
    assert f"ocf-exit-reason:user novaha {says}" in said
    controller.agent("monitor", NOT_RUNNING)
    said = controller.agent("validate-all", PERM, level=10, user="novaha")
    assert f"ocf-exit-reason:user novaha {says}" in said

    # Where nobody asked for that user, hosts are recovered all the same, and somebody is told.
    controller.agent("start")
    assert_private(controller, 0)
    assert f"the evacuator runs as root: user novaha {says}" in controller.ask()["attention"][0]
    controller.agent("monitor")
    assert says in controller.agent("monitor", DEGRADED, level=10)
    command = says.split("(")[1].rstrip(")")
    restart = "pcs resource restart nova-evacuate"
    assert controller.doctor() == ("warning", f"{command}\n{restart}")
    controller.sh(command.replace("setfacl -m u:novaha:", "chmod a+"))
    assert controller.doctor() == ("warning", restart)


def test_one_of_another_run_directory_is_left_alone(make) -> None:
    """Of the same name, in another mount namespace: a container, or a test beside this one."""
    controller, other = make(), make()
    controller.agent("start")
    other.agent("monitor", NOT_RUNNING)
    other.agent("stop")
    controller.agent("monitor")


def test_the_remedy_is_one(make) -> None:
    controller = make()
    controller.sh(f"chmod 600 {CONF}; chgrp root {CONF}")
    said = controller.agent("start", PERM, user="novaha")
    found = re.search(r"\((chgrp [^)]*)\)", said)
    assert found
    controller.sh(found[1])
    controller.agent("start", user="novaha")
    assert_private(controller, USER)


def test_logs_are_rotated_and_still_written_to(make) -> None:
    """As packaging/debian/novaha-agents.logrotate has it: by copy, and by another name."""
    controller = make()
    controller.agent("start")
    pid = controller.pid
    for _ in range(2):
        controller.sh(f"echo '{{}}' >>{LOG}/journal.jsonl; echo before >>{LOG}/nova-evacuate.log")
        rotate = f"logrotate --force --state /run/place/state {ROTATION} 2>&1"
        assert "error" not in controller.sh(rotate)
        assert "before" in controller.sh(f"cat {LOG}/nova-evacuate.log.1")
        assert controller.sh(f"cat {LOG}/nova-evacuate.log; ls {LOG}").count("journal.jsonl\n") == 0
    controller.sh(f"kill -TERM {pid}; sleep 1")
    assert "ends" in controller.sh(f"cat {LOG}/nova-evacuate.log"), "it goes on in the same file"
    controller.agent("start")
    write = "from pathlib import Path; from novaha.core.events import Returned; "
    write += "from novaha.evacuator.journal import Journal; "
    write += f"Journal(Path('{LOG}/journal.jsonl')).emit(Returned('compute-1'))"
    env = f"PYTHONPATH={shlex.quote(str(ROOT))}"
    as_user = f"setpriv --reuid {USER} --regid {USER} --clear-groups env {env} {sys.executable}"
    for _ in range(2):
        controller.sh(f'{as_user} -c "{write}"; mv {LOG}/journal.jsonl {LOG}/journal.jsonl.1')
        assert '"returned"' in controller.sh(f"cat {LOG}/journal.jsonl.1")


def test_a_link_of_the_users_leads_root_nowhere(make) -> None:
    """Who has taken over the evacuator's user can make files where root writes logs."""
    controller = make()
    controller.agent("start")
    controller.agent("stop")
    controller.sh(f"echo precious >/run/place/target; rm {LOG}/nova-evacuate.log")
    controller.sh(f"ln -s /run/place/target {LOG}/nova-evacuate.log; chown -h novaha {LOG}/*")
    assert "symbolic link" in controller.agent("start", GENERIC)
    controller.sh(f"rm {LOG}/nova-evacuate.log; ln -s /run/place/target {LOG}/journal.jsonl")
    assert "symbolic link" in controller.agent("start", GENERIC)
    assert (
        controller.sh("cat /run/place/target; stat -c %U /run/place/target") == "precious\nroot\n"
    )
