"""How the lab stands after the calm: what is lost, and what did not come back."""

from __future__ import annotations

from novahalab import cluster, layout
from novahalab.chaos.history import History, Wish
from novahalab.cloud import Client
from novahalab.sandbox import Sandbox
from novahalab.settings import Settings


def missing(lab: Settings, history: History, nova: Client) -> list[str]:
    """What keeps the lab from being whole; empty when it is. Raises LabError for a dead API."""
    status = cluster.status()
    if status is None:
        return ["no controller answers"]
    text = cluster.whole(lab.compute_nodes)(status)
    found = [text] if text else []
    for node, timeline in history.records.items():
        record = timeline.spans[-1].value
        if record is not None:
            found.append(f"{node} is still flagged: {record.state}")
    on = {name.partition(":")[0]: where for name, where in status.resources.items()}
    found += [
        f"nova-compute is not started on {node}"
        for node in lab.compute_nodes
        if node not in on.get("nova-compute", ())
    ]
    if not on.get("nova-evacuate"):
        found.append("nova-evacuate is not started")
    for service in nova.services():
        if service["state"] != "up" or service["status"] != "enabled":
            state = f"{service['state']}, {service['status']}"
            why = service.get("disabled_reason") or ""
            found.append(f"nova-compute of {service['host']} is {state} {why}".rstrip())
    return found + lost(history)


def lost(history: History) -> list[str]:
    """The tenants' instances that are not in order: gone, in a wrong state, or not running."""
    history.running = running()
    found = []
    for instance, wish in sorted(history.wishes.items()):
        problem = "" if wish.deleted else _problem(history, instance, wish)
        if problem:
            found.append(f"instance {instance} {problem}")
    return found


def _problem(history: History, instance: str, wish: Wish) -> str:
    timeline = history.instances.get(instance)
    if timeline is None:
        return "was never seen in Nova's tables"
    row = timeline.spans[-1].value
    if row.deleted:
        return "is gone, and nobody deleted it"
    if row.vm_state not in wish.states or row.task_state is not None:
        wanted = " or ".join(sorted(wish.states))
        task = f"/{row.task_state}" if row.task_state else ""
        return f"is {row.vm_state}{task} on {row.host}, and should be {wanted}"
    where = history.running.get(instance, [])
    expected = [row.host] if row.vm_state == "active" else []
    if where != expected:
        return (
            f"is {row.vm_state} on {row.host} in Nova and runs on {', '.join(where) or 'no host'}"
        )
    if where and not all(Sandbox(host).running for host in where):
        return f"runs on {where[0]}, which is off"
    return ""


def running() -> dict[str, list[str]]:
    """The hosts that each guest runs on now, by the hypervisors' files."""
    found: dict[str, list[str]] = {}
    for path in sorted(layout.GUESTS.glob("*/*")):
        if path.parent.name.startswith("."):
            continue
        try:
            if path.read_text().startswith("RUNNING"):
                found.setdefault(path.name, []).append(path.parent.name)
        except FileNotFoundError:
            continue
    return found
