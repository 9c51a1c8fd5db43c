"""Records that nobody of ours has written, on the real tools and a CIB in a file (law 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from novaha.core.errors import RecordError
from novaha.core.recovery import Event, RecoveryState
from novaha.pacemaker.cib import RecordStore

AGENT = "fence_agents/fence_compute"
NODE = "</node>"
GOOD = {
    "novaha-recovery": "pending",
    "novaha-hold": "true",
    "novaha-fence-id": "id-1",
    "novaha-fenced": "2026-01-01T00:00:00Z",
}


def node(*sets: tuple[str, list[tuple[str, str]]]) -> str:
    """compute-1 with these attribute sets."""
    text = '<node id="compute-1" uname="compute-1" type="remote">'
    for owner, pairs in sets:
        text += f'<instance_attributes id="{owner}">'
        for number, (name, value) in enumerate(pairs):
            text += f'<nvpair id="{owner}-p{number}" name="{name}" value="{value}"/>'
        text += "</instance_attributes>"
    return text + "</node></nodes>"


def own(**changes: str | None) -> str:
    pairs = {**GOOD, **{f"novaha-{k.replace('_', '-')}": v for k, v in changes.items()}}
    return node(("novaha-compute-1", [(k, v) for k, v in pairs.items() if v is not None]))


KINDS = {
    "before of a later version": own(before="v2:{}"),
    "before with an empty id": own(before="stopped=a,,b"),
    "before without a state": own(before="=a"),
    "unknown state": own(recovery="evacuating"),
    "absent": own(recovery="absent"),
    "state in capitals": own(recovery="PENDING"),
    "empty state": own(recovery=""),
    "no state": own(recovery=None),
    "hold alone": node(("novaha-compute-1", [("novaha-hold", "true")])),
    "hold in another set": node(("nodes-compute-1", [("novaha-hold", "true")])),
    "whole in another set": node(("nodes-compute-1", list(GOOD.items()))),
    "two sets": node(("novaha-compute-1", list(GOOD.items())), ("other", list(GOOD.items()))),
    "an attribute twice": node(("novaha-compute-1", [*GOOD.items(), ("novaha-hold", "false")])),
    "hold against the state": own(hold="false"),
    "hold nonsense": own(hold="maybe"),
    "empty fence id": own(fence_id=""),
    "fence id with a quote": own(fence_id="a'b"),
    "huge fence id": own(fence_id="x" * 100_000),
    "owner with a quote": own(owner="o'brien"),
    "empty owner": own(owner=""),
    "no time": own(fenced=None),
    "time with a zone": own(fenced="2026-01-01T00:00:00+00:00"),
    "time in seconds": own(fenced="1767225600"),
    "time with a fraction": own(fenced="2026-01-01T00:00:00.5Z"),
    "the last year": own(fenced="9999-12-31T23:59:59Z"),
    "the first year": own(fenced="0001-01-01T00:00:00Z"),
    "huge nonsense": own(before="x" * 1_000_000),
}


@pytest.fixture(params=sorted(KINDS))
def store(
    request, cib: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> RecordStore:
    """Records where compute-1 has one of this kind."""
    cib.write_text(cib.read_text().replace("</nodes>", KINDS[request.param]))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return RecordStore()


def test_law_3_nonsense_is_seen_off_replaces_it_and_release_works(store: RecordStore) -> None:
    found = store.read_all()["compute-1"]
    assert isinstance(found, RecordError)
    assert len(str(found)) < 1000
    assert str(found).isprintable()
    written = store.flag_fenced("compute-1")
    assert written.state is RecoveryState.PENDING
    assert store.read_all() == {"compute-1": written}
    store.swap(written, written.after(Event.RELEASE))


def test_law_3_off_as_pacemaker_calls_it_replaces_nonsense(execute, cib: Path) -> None:
    cib.write_text(cib.read_text().replace("</nodes>", KINDS["before of a later version"]))
    for _ in range(2):
        done = execute(AGENT, stdin="action=off\nnodename=compute-1\nplug=compute-1\n")
        assert (done.returncode, done.stdout) == (0, "Success: Powered OFF\n"), done.stderr


def test_law_6_what_can_be_kept_is_kept(
    cib: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = own(recovery="later", marks="forced later-mark", before="stopped=a,b")
    cib.write_text(cib.read_text().replace("</nodes>", broken))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    written = RecordStore().flag_fenced("compute-1")
    assert (written.marks, written.before) == ({"forced"}, {"a": "stopped", "b": "stopped"})


@pytest.mark.parametrize("name", ["", "nobody", "compute-9", "compute-1\\nerror", "\\001\\377"])
@pytest.mark.parametrize("agent", ["ocf/NovaCompute", "ocf/nova-compute-wait"])
def test_law_4_nothing_starts_where_crm_node_tells_nonsense(
    execute, tmp_path: Path, agent: str, name: str
) -> None:
    (tmp_path / "bin" / "crm_node").write_text(f"#!/bin/sh\nprintf '{name}'\n")
    done = execute(agent, "start", env={"OCF_RESKEY_binary": "/bin/true"})
    assert done.returncode == 1, done.stderr
    assert "ocf-exit-reason:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "rsctmp").glob("*.active"))


@pytest.mark.parametrize(
    "printed",
    ["", "nonsense", "<html/>", "<xpath-query/>", "<node uname='compute-9'/>", "<a><b/></a>"],
)
@pytest.mark.parametrize("agent", ["ocf/NovaCompute", "ocf/nova-compute-wait"])
def test_law_4_nothing_starts_where_cibadmin_prints_nonsense(
    execute, tmp_path: Path, agent: str, printed: str
) -> None:
    tool = tmp_path / "bin" / "cibadmin"
    tool.write_text(f'#!/bin/sh\necho "{printed}"\n')
    tool.chmod(0o755)
    done = execute(agent, "start", env={"OCF_RESKEY_binary": "/bin/true"})
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "rsctmp").glob("*.active"))
