"""What is changed: mutmut's operators, applied to one place of one module at a time.

Left out, because no law depends on it: sentences for people and what goes to the log. A text and
an argument are changed in one way each: an argument becomes None, and is not left out besides.
mutmut itself leaves out types, decorators, and defaults that are calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import NEVER_MUTATE_FUNCTION_NAMES, MutationVisitor
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    path: of the module, from the top of the project. function: the function or method that is
    changed, "" for what runs on import. lines: of the statement, in the file as it is. before,
    after: the lines that differ. source: the module as changed.
    """

    path: str
    function: str
    lines: range
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """Names the mutant as long as its lines are what they are, wherever they stand."""
        module = self.path.removeprefix("novaha/")
        return f"{module} {self.function or '-'}\n- {self.before}\n+ {self.after}"

    @property
    def dotted(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".")


class _Visitor(MutationVisitor):
    """mutmut's, which leaves out decorated functions for a reason that does not concern us."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef):
            return node.name.value in NEVER_MUTATE_FUNCTION_NAMES
        if isinstance(node, cst.Call) and _logs(node):
            return True
        return super()._skip_node_and_children(node)


def _logs(call: cst.Call) -> bool:
    match call.func:
        case cst.Attribute(value=cst.Name(value="LOG")):
            return True
    return False


def _texts(node: cst.BaseString) -> Iterable[cst.BaseString]:
    changed = list(operator_string(node))
    sentence = isinstance(node, cst.SimpleString) and " " in node.value.strip("\"' ")
    return [] if sentence else changed[:1]


def _arguments(call: cst.Call) -> Iterable[cst.Call]:
    return [c for c in operator_arg_removal(call) if len(c.args) == len(call.args)]


_OURS = {operator_string: _texts, operator_arg_removal: _arguments}
_OPERATORS = [(kind, _OURS.get(operator, operator)) for kind, operator in mutation_operators]


def mutants(path: str) -> list[Mutant]:
    """All mutants of a module, in the order of its lines."""
    code = (ROOT / path).read_text()
    wrapper = MetadataWrapper(cst.parse_module(code))
    nothing: set[int] = set()
    visitor = _Visitor(_OPERATORS, IgnoredCode(nothing, nothing, nothing))
    wrapper.visit(visitor)
    positions = wrapper.resolve(PositionProvider)
    parts = {id(node): part for part in _parts(wrapper.module) for node in part.nodes()}
    tree = ast.parse(code)
    bodies, statements = list(_bodies(tree)), list(_statements(tree))
    known = {ast.dump(tree)}
    found = []
    for mutation in visitor.mutations:
        part = parts[id(mutation.original_node)]
        text = part.changed(mutation.original_node, mutation.mutated_node)
        source = _replaced(code, positions[part.node], text)
        try:
            meaning = ast.dump(ast.parse(source))
        except SyntaxError:
            continue
        if meaning in known:
            continue
        known.add(meaning)
        line = positions[mutation.original_node].start.line
        function = next((name for name, first, last in bodies if first <= line <= last), "")
        lines = min((s for s in statements if line in s), key=len, default=range(line, line + 1))
        before, after = _difference(code, source)
        found.append(Mutant(path, function, lines, before, after, source))
    return sorted(found, key=lambda mutant: mutant.lines.start)


@dataclass(frozen=True)
class _Part:
    """A statement of a module or of a class, as the smallest that is written anew."""

    node: cst.BaseStatement
    in_class: bool

    def nodes(self) -> Iterator[cst.CSTNode]:
        left: list[cst.CSTNode] = [self.node]
        while left:
            node = left.pop()
            yield node
            left.extend(node.children)

    def changed(self, old: cst.CSTNode, new: cst.CSTNode) -> str:
        """Its lines with one node changed; of a function, from its `def` on."""
        node = cst.ensure_type(self.node.deep_replace(old, new), cst.BaseStatement)
        alone = dict.fromkeys(("leading_lines", "decorators", "lines_after_decorators"), ())
        node = node.with_changes(**{k: v for k, v in alone.items() if hasattr(node, k)})
        if not self.in_class:
            return cst.Module([node]).code
        whole = cst.ClassDef(cst.Name("X"), cst.IndentedBlock([node]))
        return cst.Module([whole]).code.split("\n", 1)[1]


def _parts(module: cst.Module) -> Iterator[_Part]:
    for node in module.body:
        if isinstance(node, cst.ClassDef) and isinstance(node.body, cst.IndentedBlock):
            for member in node.body.body:
                yield _Part(member, in_class=True)
        else:
            yield _Part(node, in_class=False)


def _replaced(code: str, where: CodeRange, text: str) -> str:
    lines = code.splitlines(keepends=True)
    return "".join([*lines[: where.start.line - 1], text, *lines[where.end.line :]])


def _bodies(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """The body of each function and method: its qualified name, first and last line."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef):
                yield prefix + member.name, member.body[0].lineno, member.end_lineno or 0


def _statements(tree: ast.Module) -> Iterator[range]:
    """The lines of each statement; of one that has others in it, those before the first of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            inner = getattr(node, "body", None)
            end = inner[0].lineno if inner else (node.end_lineno or node.lineno) + 1
            yield range(node.lineno, max(end, node.lineno + 1))


def _difference(code: str, source: str) -> tuple[str, str]:
    """The lines that differ, before and after."""
    old, new = code.splitlines(), source.splitlines()
    least = min(len(old), len(new))
    head = next((i for i in range(least) if old[i] != new[i]), least)
    tail = next((i for i in range(least - head) if old[-1 - i] != new[-1 - i]), least - head)
    between = old[head : len(old) - tail], new[head : len(new) - tail]
    before, after = (" ".join(line.strip() for line in lines) for lines in between)
    return before, after
