"""bash's completion of `novaha`: `python -m novaha.cli.completion` prints the script."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

_FILES = frozenset({"DIR", "FILE", "PATH"})
"""What the help calls a value that is the name of a file."""

_SCRIPT = """\
# bash completion for novaha                               -*- shell-script -*-
# novaha: made by `novaha install-agents` or a package, from the command's own options
_novaha() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command= i
    # bash splits --option=value into three words.
    if [ "$word" = = ]; then
        word=
    elif [ "$previous" = = ]; then
        previous=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            {commands})
                command=${{COMP_WORDS[i]}}
                break
                ;;
        esac
    done
    local words files=
    case $command:$previous in
{values}
        *)
            case $command in
{options}
                *) words="{top}" ;;
            esac
            ;;
    esac
    if [ -n "$files" ]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    fi
}}
complete -F _novaha novaha
"""


def _words(actions: Iterable[argparse.Action]) -> str:
    """The choices of its arguments and the names of its options, in their order."""
    found: list[str] = []
    for action in actions:
        found += action.option_strings or [str(choice) for choice in action.choices or ()]
    return " ".join(found)


def _value(command: str, action: argparse.Action) -> str:
    """The case for what follows an option that takes a value: its choices, files, or nothing."""
    names = "|".join(f"{command}:{name}" for name in action.option_strings)
    if action.choices:
        words = " ".join(str(choice) for choice in action.choices)
    else:
        words = ""
        if action.metavar in _FILES:
            return f"        {names}) words= files=1 ;;"
    return f'        {names}) words="{words}" ;;'


def script() -> str:
    """The completion, from the command line that the parser describes."""
    from novaha.cli.main import parser  # which imports this module, by install-agents

    top = parser()
    (commands,) = (a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    values, options = [], []
    for name, command in commands.choices.items():
        actions = command._actions
        takes = [a for a in actions if a.option_strings and a.nargs != 0]
        values += [_value(name, action) for action in takes]
        options.append(f'                {name}) words="{_words(actions)}" ;;')
    return _SCRIPT.format(
        commands="|".join(commands.choices),
        values="\n".join(values),
        options="\n".join(options),
        top=_words([commands, *(a for a in top._actions if a is not commands)]),
    )


if __name__ == "__main__":
    print(script(), end="")
