"""The house rules that a machine can check: each takes a source file and yields its breaches. There is no ignore list."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

FLOORS = {
    "0": "types errors",
    "1": "codec cutting cometbytes blocks wire transactions sheets columns shapes columnsheet keytable "
    "genesisfile rfc3339 proofbytes bid crypto native",
    "2a": "digests merkle statetree evidencelog ics23",
    "2b": "light bundle bundlejson bundlebytes bundlewords claims did vc foreign",
    "3": "consensus execution mempool gossip sync",
    "4": "contracts",
    "5": "storage p2p api relay",
    "6": "node",
    "7": "cli client",
}
ORDER = list(FLOORS)
FLOOR_OF = {part: floor for floor, parts in FLOORS.items() for part in parts.split()}
SHARED_FLOORS = ("0", "1", "2a", "2b")  # whose parts may import each other
KIT_FLOORS = SHARED_FLOORS
PURE_FLOORS = (*SHARED_FLOORS, "3", "4")

KIT_LIBRARIES = {"cryptography", "nacl", "msgpack"}
LAZY_LIBRARIES = {"coincurve", "tongsuopy", "rfc8785", "multibase", "mnemonic", "sd_jwt", "jwcrypto"}
IMPURE_MODULES = (
    "asyncio concurrent contextvars ctypes datetime fcntl gc getpass glob http importlib inspect io locale logging mmap"
    " multiprocessing os pathlib platform queue random resource sched secrets select selectors shelve shutil signal socket"
    " sqlite3 ssl subprocess sys tempfile threading time urllib uuid warnings weakref"
)
IMPURE_BUILTINS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint", "hash", "id"}
WHOLE_MATH = {"gcd", "lcm", "isqrt", "comb", "perm", "prod", "factorial"}  # of math, what knows no floats
SET_MAKERS = {"set", "frozenset"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference", "copy"}
SET_TYPES = {"set", "frozenset", "Set", "MutableSet", "AbstractSet"}
ORDER_FREE = {"sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset", "bool"}
ORDERED_CALLS = {"list", "tuple", "iter", "enumerate", "map", "filter", "zip", "dict", "bytes", "bytearray", "repr", "str"}
ORDERED_METHODS = {"join", "extend", "fromkeys", "writelines"}
MUTATORS = {
    "append",
    "add",
    "update",
    "pop",
    "popitem",
    "clear",
    "extend",
    "insert",
    "remove",
    "discard",
    "setdefault",
    "appendleft",
    "sort",
}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "data", "misc"}
BROAD = {"Exception", "BaseException"}


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree, each node with its `parent`."""
        tree = ast.parse(self.text)
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                child.parent = node
        return tree

    @property
    def part(self) -> str:
        """The module or package on a floor that the file belongs to; empty for `chainnode/__init__.py`."""
        steps = self.path.removesuffix(".py").split("/")
        name = steps[0] if steps[0] != "chainnode" else steps[1]
        return "" if name == "__init__" else name

    @property
    def floor(self) -> str | None:
        """The floor, None for a part that is not in the picture."""
        return FLOOR_OF.get(self.part)


Rule = Callable[[Source], Iterator[str]]


def sources() -> list[Source]:
    """Every Python file of the program."""
    files = sorted(path for folder in ("chainnode", "contracts") for path in (ROOT / folder).rglob("*.py"))
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text()) for path in files]


def imports(source: Source) -> Iterator[tuple[int, str, bool]]:
    """Line, full dotted name, and whether it is imported when the module is (not inside a function)."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        is_early = not any(isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) for one in _ancestors(node))
        for name in names:
            yield node.lineno, name, is_early


def floors_are_kept(source: Source) -> Iterator[str]:
    """Imports go down; neighbours do not know each other."""
    if source.part and source.floor is None:
        yield "1: is on no floor; add it to the picture in DESIGN, section 2, and to FLOORS"
        return
    for line, name, _ in imports(source):
        steps = name.split(".")
        if name.startswith("."):
            yield f"{line}: a relative import"
        elif steps[0] == "tests":
            yield f"{line}: the program imports its tests"
        elif steps[0] in ("chainnode", "contracts"):
            target = steps[0] if steps[0] == "contracts" else steps[1] if len(steps) > 1 else ""
            if target not in FLOOR_OF:
                yield f"{line}: {name} is on no floor"
            elif source.part and not _may_import(source.part, target):
                yield f"{line}: {source.part} (floor {source.floor}) imports {name} (floor {FLOOR_OF[target]})"
            elif not source.part:
                yield f"{line}: the package imports {name}"


def _may_import(part: str, target: str) -> bool:
    if part == target or (part, target) == ("cli", "client"):
        return True
    above, below = ORDER.index(FLOOR_OF[part]), ORDER.index(FLOOR_OF[target])
    return below < above or (below == above and FLOOR_OF[part] in SHARED_FLOORS)


def the_kit_needs_three_libraries(source: Source) -> Iterator[str]:
    """What strangers verify with runs with few libraries, and so do the rules and the law."""
    if source.floor not in PURE_FLOORS:
        return
    for line, name, is_early in imports(source):
        root = name.split(".")[0]
        if root in sys.stdlib_module_names or root in KIT_LIBRARIES or root in ("", "chainnode", "contracts"):
            continue
        if root not in LAZY_LIBRARIES or source.floor not in KIT_FLOORS:
            yield f"{line}: imports {root}, which the verifier kit does not have"
        elif is_early:
            yield f"{line}: imports {root} outside a function"


def pure_floors_touch_no_world(source: Source) -> Iterator[str]:
    """No clock, randomness, disk, network, thread, log or environment, and nothing that depends on the process."""
    if source.floor not in PURE_FLOORS:
        return
    for line, name, _ in imports(source):
        if name.split(".")[0] in IMPURE_MODULES.split():
            yield f"{line}: imports {name.split('.')[0]}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield f"{node.lineno}: async"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            yield f"{node.lineno}: calls {node.func.id}()"


def pure_floors_have_no_floats(source: Source) -> Iterator[str]:
    """Floats differ between machines and have no canonical bytes."""
    if source.floor not in PURE_FLOORS:
        return
    for line, name, _ in imports(source):
        if name in ("math", "cmath", "statistics") or (name.startswith("math.") and name.split(".")[1] not in WHOLE_MATH):
            yield f"{line}: imports {name}; of math, take {', '.join(sorted(WHOLE_MATH))} by name"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            yield f"{node.lineno}: the float {node.value}"
        elif isinstance(node, ast.Name) and node.id in ("float", "complex"):
            yield f"{node.lineno}: {node.id}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"{node.lineno}: / makes a float; // does not"


def pure_floors_have_no_module_state(source: Source) -> Iterator[str]:
    """What a function gives depends on its arguments alone."""
    if source.floor not in PURE_FLOORS:
        return
    state = {name for node in source.tree.body for name in _bound_names(node)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            yield f"{node.lineno}: global"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
            own |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
            for line, name in _mutations(node):
                if name in state - own:
                    yield f"{line}: changes {name}, which belongs to the module"
        if isinstance(node, ast.FunctionDef) and any(_is_unbounded_cache(one) for one in node.decorator_list):
            yield f"{node.lineno}: a cache without maxsize"


def _is_unbounded_cache(decorator: ast.expr) -> bool:
    is_call = isinstance(decorator, ast.Call)
    name = ast.unparse(decorator.func if is_call else decorator).split(".")[-1]
    if name == "cache":
        return True
    sizes = [*decorator.args, *(one.value for one in decorator.keywords if one.arg == "maxsize")] if is_call else []
    return name == "lru_cache" and (not sizes or any(isinstance(size, ast.Constant) and size.value is None for size in sizes))


def _bound_names(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign | ast.AugAssign) else []
    yield from (one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name))


def _mutations(function: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines and names whose values a function changes in place."""
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            target: ast.expr = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            target = node.func.value
        else:
            continue
        while isinstance(target, ast.Subscript | ast.Attribute):
            target = target.value
        if isinstance(target, ast.Name):
            yield node.lineno, target.id


def pure_floors_iterate_over_no_set(source: Source) -> Iterator[str]:
    """The order of a set changes with PYTHONHASHSEED; what does not depend on the order may use one."""
    if source.floor not in PURE_FLOORS:
        return
    known = _SetNames(source.tree)
    for node in ast.walk(source.tree):
        for iterated in _iterated(node):
            if known.is_set(iterated):
                yield f"{iterated.lineno}: iterates over the set {ast.unparse(iterated)}"


class _SetNames:
    """The names and attributes of a module that hold sets, as far as its text shows."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._names: dict[ast.AST, set[str]] = {}  # by function, or the module
        self._attributes: set[str] = set()
        for _ in range(3):  # a set that is assigned from a set
            for node in ast.walk(tree):
                self._learn(node)

    def is_set(self, node: ast.expr) -> bool:
        """Whether an expression is a set for sure."""
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id=name)):
                return name in SET_MAKERS
            case ast.Call(func=ast.Attribute(value=value, attr=attr)):
                return attr in SET_METHODS and self.is_set(value)
            case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
                return self.is_set(left) or self.is_set(right)
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_set(body) or self.is_set(orelse)
            case ast.NamedExpr(value=value):
                return self.is_set(value)
            case ast.Name(id=name):
                return any(name in self._names.get(scope, ()) for scope in (*_scopes(node), self._tree))
            case ast.Attribute(attr=attr):
                return attr in self._attributes
        return False

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=targets, value=value) if self.is_set(value):
                for target in targets:
                    self._note(target)
            case ast.NamedExpr(target=target, value=value) if self.is_set(value):
                self._note(target)
            case ast.AnnAssign(target=target, annotation=annotation) if _is_set_type(annotation):
                self._note(target)
            case ast.arg(arg=name, annotation=annotation) if annotation is not None and _is_set_type(annotation):
                self._names.setdefault(next(_scopes(node), self._tree), set()).add(name)

    def _note(self, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute):
            self._attributes.add(target.attr)
        elif isinstance(target, ast.Name):
            if isinstance(target.parent, ast.AnnAssign) and isinstance(target.parent.parent, ast.ClassDef):
                self._attributes.add(target.id)
            else:
                self._names.setdefault(next(_scopes(target), self._tree), set()).add(target.id)


def _is_set_type(annotation: ast.expr) -> bool:
    if isinstance(annotation, ast.BinOp):  # set[str] | None
        return _is_set_type(annotation.left) or _is_set_type(annotation.right)
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return isinstance(annotation, ast.Name | ast.Attribute) and ast.unparse(annotation).split(".")[-1] in SET_TYPES


def _iterated(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions whose order a node takes over."""
    match node:
        case ast.For(iter=iterated) | ast.YieldFrom(value=iterated):
            yield iterated
        case ast.Starred(value=iterated):
            if not isinstance(node.parent, ast.Set) and not _is_order_free(node.parent):
                yield iterated
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=iterated):
            yield iterated
        case ast.ListComp() | ast.DictComp() | ast.GeneratorExp():
            if not (isinstance(node, ast.GeneratorExp) and _is_order_free(node.parent)):
                yield from (one.iter for one in node.generators)
        case ast.Call(func=ast.Attribute(value=value, attr="pop"), args=[]):
            yield value
        case ast.Call(func=ast.Attribute(attr=attr), args=arguments) if attr in ORDERED_METHODS:
            yield from arguments
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            if name in ORDERED_CALLS or (name in ORDER_FREE and _have_key(keywords)):
                yield from arguments


def _is_order_free(parent: ast.AST) -> bool:
    """Whether a call gives the same in whatever order its argument comes; with a key, equal keys keep the order."""
    is_call = isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name)
    return is_call and parent.func.id in ORDER_FREE and not _have_key(parent.keywords)


def _have_key(keywords: list[ast.keyword]) -> bool:
    return any(one.arg == "key" for one in keywords)


def _ancestors(node: ast.AST) -> Iterator[ast.AST]:
    while hasattr(node, "parent"):
        node = node.parent
        yield node


def _scopes(node: ast.AST) -> Iterator[ast.AST]:
    return (one for one in _ancestors(node) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def nothing_is_swallowed(source: Source) -> Iterator[str]:
    """Who catches everything hides our faults. From HANDS up, clean-up may, when it raises again at its end."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            last = node.body[-1]
            is_clean_up = isinstance(last, ast.Raise) and last.exc is None
            if source.floor in PURE_FLOORS or not is_clean_up:
                yield f"{node.lineno}: catches everything"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress" and any(map(_is_broad, node.args)):
            yield f"{node.lineno}: suppresses everything"


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(map(_is_broad, caught.elts))
    return ast.unparse(caught).split(".")[-1] in BROAD


def public_names_are_described(source: Source) -> Iterator[str]:
    """Each module, and each public function, class and method says what it is in its first line."""
    for node in [source.tree, *_public_definitions(source.tree)]:
        name, line = getattr(node, "name", "the module"), getattr(node, "lineno", 1)
        docstring = ast.get_docstring(node)
        if not docstring:
            yield f"{line}: {name} has no docstring"
        elif not docstring.splitlines()[0].endswith((".", ":", "?")):
            yield f"{line}: the first line of the docstring of {name} is no sentence"


def _public_definitions(tree: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public_definitions(node)


def sizes_are_kept(source: Source) -> Iterator[str]:
    """A reader holds a file, and a function, in the head."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"1: {lines} lines; the limit is {FILE_LINES_MAX}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{node.lineno}: {node.name} has {length} lines; the limit is {FUNCTION_LINES_MAX}"


def packages_hold_a_docstring_alone(source: Source) -> Iterator[str]:
    """A package exports nothing by itself, its version aside: there is one way to import each thing."""
    if source.path.endswith("__init__.py"):
        for node in source.tree.body[1:] if ast.get_docstring(source.tree) else source.tree.body:
            if not (isinstance(node, ast.Assign) and list(_bound_names(node)) == ["__version__"]):
                yield f"{node.lineno}: a package's __init__.py has a docstring, and nothing else"


def work_to_do_has_an_issue(source: Source) -> Iterator[str]:
    """A wish without an issue number is forgotten."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b(?!\(#\d+\))", line):
            yield f"{number}: work to do without an issue: write TODO(#12)"


def no_path_of_one_machine(source: Source) -> Iterator[str]:
    """What is true on one machine only."""
    for number, line in enumerate(source.text.splitlines(), start=1):
        if re.search(r"(?<![\w.:/])/(?:home|Users|root|work|mnt|media)/\w|\b[A-Z]:\\\\", line):
            yield f"{number}: a path of one machine"


def names_say_something(source: Source) -> Iterator[str]:
    """A file named after nothing collects anything."""
    for step in source.path.removesuffix(".py").split("/"):
        if step in EMPTY_NAMES:
            yield f"1: '{step}' says nothing"


RULES: tuple[Rule, ...] = (
    floors_are_kept,
    the_kit_needs_three_libraries,
    pure_floors_touch_no_world,
    pure_floors_have_no_floats,
    pure_floors_have_no_module_state,
    pure_floors_iterate_over_no_set,
    nothing_is_swallowed,
    public_names_are_described,
    sizes_are_kept,
    packages_hold_a_docstring_alone,
    work_to_do_has_an_issue,
    no_path_of_one_machine,
    names_say_something,
)
