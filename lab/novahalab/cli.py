"""The ``lab`` command's arguments, and what each of them does."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from novahalab import cloud, deaths, demo, layout, lifecycle, logs, network, nodes, report
from novahalab.chaos import run as chaos
from novahalab.errors import LabError
from novahalab.progress import Progress, console
from novahalab.sandbox import Sandbox
from novahalab.settings import PRODUCTS, Settings, default_product


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0, 1 with a message on stderr, 2 for wrong usage."""
    command = ""
    try:
        options = _parser().parse_args(argv)
        command = f" {options.command}"
        result = options.run(options)
    except LabError as error:
        console.print(f"[bold red]lab{command}:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("[red]interrupted[/]; `lab down` clears what is left")
        # Not waiting for the threads of `up`; what they run dies with them.
        os._exit(130)
    return result or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab", description="A real Pacemaker cluster and a real Nova on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, function: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=function)
        return command

    command = add("install", _install, "install what the lab needs")
    _add_generation(command)
    _add_product(command)
    command = add("up", _up, "start the lab")
    command.add_argument("--computes", type=_computes, default=3, metavar="N")
    _add_generation(command)
    _add_product(command)
    command.add_argument(
        "--hyperconverged",
        action="store_true",
        help="the controllers are the compute hosts, there are no others",
    )
    command.add_argument(
        "--bare", action="store_true", help="the cluster alone: no cloud, no novaha"
    )
    add("down", _down, "end the lab and all that belongs to it")
    command = add("status", _status, "what runs")
    command.add_argument("--output", choices=("text", "json"), default="text")
    command = add("exec", _exec, "run a command on a node (or in `cloud`)")
    command.add_argument("node")
    command.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD…")
    command = add("crash", _crash, "cut a node's power, at once and without a word")
    command.add_argument("node")
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--kind",
        choices=deaths.KINDS,
        default="power",
        help="another death than the loss of power: `lab deaths` tells what each is",
    )
    how.add_argument(
        "--loud",
        action="store_true",
        help="the node's connections are closed as it dies, so that all notice at once",
    )
    add("deaths", _deaths, "the kinds of death, and what should become of the host")
    for name, function, text in (
        ("boot", _boot, "switch a node on, and mend what a death has left"),
        ("freeze", _freeze, "stop every process of a node (SIGSTOP)"),
        ("thaw", _thaw, "let a frozen node go on"),
    ):
        add(name, function, text).add_argument("node")
    command = add("cut", _cut, "pull a cable: of a node, or of `cloud`")
    command.add_argument("node")
    command.add_argument("network", choices=layout.NETWORKS)
    command = add("heal", _heal, "put cables back: one, all of a node, or all")
    command.add_argument("node", nargs="?")
    command.add_argument("network", nargs="?", choices=layout.NETWORKS)
    add("restore", _restore, "undo every crash, freeze, cut and stop")
    add("stop", _stop, "stop a service of the cloud").add_argument("service")
    add("start", _start, "start a service of the cloud").add_argument("service")
    command = add("logs", _logs, "show a log, or which there are")
    command.add_argument("name", nargs="?", help="a node or a service")
    command.add_argument("--lines", type=int, default=200)
    _servers_parser(add("servers", _servers_list, "the cloud's instances"))
    add("demo", _demo, "show one failover on the lab that is up")
    _chaos_parser(add("chaos", _chaos, "break things by a seeded schedule, and judge the laws"))
    return parser


def _add_generation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pacemaker",
        choices=layout.GENERATIONS,
        default="native",
        help="whose Pacemaker: this machine's Debian's, or another release's (default: native)",
    )


def _add_product(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--product",
        choices=PRODUCTS,
        default=default_product(),
        help="how novaha is installed: by pip, or as Debian packages "
        "(default: NOVAHA_LAB_PRODUCT, or wheel)",
    )


def _servers_parser(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("create", help="create instances and wait until they run")
    command.add_argument("count", type=int)
    command.add_argument("--flavor")
    command.add_argument("--host", help="the compute node that they shall run on")
    command.add_argument("--stopped", type=int, default=0, metavar="K", help="shut off K of them")
    command.set_defaults(run=_servers_create)
    command = commands.add_parser("list", help="list all instances")
    command.add_argument("--output", choices=("text", "json"), default="text")
    command.set_defaults(run=_servers_list)
    command = commands.add_parser("delete", help="delete all instances")
    command.set_defaults(run=_servers_delete)


def _chaos_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=1, help="same seed, same schedule")
    command.add_argument("--minutes", type=float, default=10, help="of faults; a calm follows")
    command.add_argument("--computes", type=_computes, metavar="N")
    command.add_argument("--json", type=Path, metavar="FILE", help="the verdict, for programs")
    command.add_argument("--keep-logs", type=Path, metavar="DIR", help="copy the logs there")
    command.add_argument("--keep", action="store_true", help="leave a lab up that it has started")
    _add_generation(command)


def _computes(text: str) -> int:
    number = int(text)
    if not layout.MIN_COMPUTES <= number <= layout.MAX_COMPUTES:
        raise argparse.ArgumentTypeError(
            f"from {layout.MIN_COMPUTES} to {layout.MAX_COMPUTES} compute nodes, not {number}"
        )
    return number


def _install(options: argparse.Namespace) -> None:
    with Progress() as progress:
        lifecycle.install(options.pacemaker, options.product, progress)


def _up(options: argparse.Namespace) -> None:
    settings = Settings(
        options.computes,
        options.pacemaker,
        options.bare,
        options.product,
        hyperconverged=options.hyperconverged,
    )
    with Progress() as progress, lifecycle.exclusive("run", progress):
        lifecycle.up(settings, progress)


def _down(options: argparse.Namespace) -> None:
    with Progress() as progress, lifecycle.exclusive("run", progress):
        lifecycle.down(progress)


def _status(options: argparse.Namespace) -> None:
    status = report.gather()
    if options.output == "json":
        print(json.dumps(status, indent=2))
    else:
        report.show(status)


def _exec(options: argparse.Namespace) -> int:
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    if not argv:
        raise LabError("no command given: lab exec NODE -- CMD…")
    settings = Settings.load()
    name = options.node if options.node == "cloud" else settings.node(options.node)
    return Sandbox(name).call(argv)


def _crash(options: argparse.Namespace) -> None:
    node = Settings.load().node(options.node)
    if options.loud:
        nodes.crash(node, loud=True)
    else:
        deaths.die(node, options.kind)


def _deaths(options: argparse.Namespace) -> None:
    report.show_deaths(deaths.KINDS)


def _boot(options: argparse.Namespace) -> None:
    deaths.mend(Settings.load().node(options.node))


def _freeze(options: argparse.Namespace) -> None:
    Sandbox(Settings.load().node(options.node)).freeze()


def _thaw(options: argparse.Namespace) -> None:
    Sandbox(Settings.load().node(options.node)).thaw()


def _host(name: str) -> str:
    settings = Settings.load()
    return name if name == "cloud" else settings.node(name)


def _cut(options: argparse.Namespace) -> None:
    network.cut(_host(options.node), options.network)


def _heal(options: argparse.Namespace) -> None:
    network.heal(_host(options.node) if options.node else None, options.network)


def _restore(options: argparse.Namespace) -> None:
    lifecycle.restore(Settings.load())


def _stop(options: argparse.Namespace) -> None:
    Settings.load()
    cloud.cloud().stop(options.service)


def _start(options: argparse.Namespace) -> None:
    Settings.load()
    cloud.cloud().start([options.service])


def _logs(options: argparse.Namespace) -> None:
    logs.show(options.name, options.lines)


def _servers_create(options: argparse.Namespace) -> None:
    Settings.load()
    with Progress() as progress, progress.step("instances") as step:
        cloud.Client().servers_create(
            options.count,
            **({"flavor": options.flavor} if options.flavor else {}),
            host=options.host,
            stopped=options.stopped,
            report=step.say,
        )


def _demo(options: argparse.Namespace) -> int:
    return demo.run()


def _chaos(options: argparse.Namespace) -> int:
    return chaos.main(
        seed=options.seed,
        minutes=options.minutes,
        generation=options.pacemaker,
        computes=options.computes,
        keep=options.keep,
        json_file=options.json,
        keep_logs=options.keep_logs,
    )


def _servers_list(options: argparse.Namespace) -> None:
    Settings.load()
    report.show_servers(cloud.Client().servers(), options.output)


def _servers_delete(options: argparse.Namespace) -> None:
    Settings.load()
    client = cloud.Client()
    client.servers_delete([server.id for server in client.servers()])
