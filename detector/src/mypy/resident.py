"""mypy with the libraries' modules in memory: each program costs its own parsing and checking, and no more.

A build of mypy's own reads the modules that programs import most. A program is then added to its graph, as mypy adds a new
file, checked by mypy's own functions, and taken out again. What a run of mypy on the program alone would not know is hidden
from it: the modules in sight are those that the program needs, directly or not. A program can still change a variable of a
library's module by defining an imported name again, for example; whoever serves programs gives such a one a process of its own.
"""

import glob
import os
import sys
from collections.abc import Callable

import mypy.main
from mypy import build
from mypy.errors import CompileError
from mypy.fscache import FileSystemCache
from mypy.semanal import SemanticAnalyzer
from mypy.typestate import reset_global_state
from mypy.types import instance_cache

FLAGS = [
    "--strict", "--config-file=", "--show-column-numbers", "--show-error-codes", "--hide-error-context", "--no-pretty",
    "--no-color-output", "--no-error-summary", "--cache-dir=../cache", "--no-sqlite-cache",
]  # fmt: skip
PROGRAM = "program.py"


class Resident:
    """A build whose library modules stay."""

    def __init__(self, warm: str) -> None:
        sys.setrecursionlimit(mypy.main.RECURSION_LIMIT)
        write(warm)
        self.files = FileSystemCache()
        self.sources, options = mypy.main.process_options(
            [*FLAGS, PROGRAM], stdout=sys.stderr, stderr=sys.stderr, fscache=self.files
        )
        self.lines: list[str] = []
        result = build.build(
            self.sources,
            options,
            None,
            lambda _file, lines, _serious: self.lines.extend(lines),
            self.files,
            sys.stderr,
            sys.stderr,
        )
        forget_program()
        self.manager, self.graph = result.manager, result.graph
        self.module = self.sources[0].module
        # Modules with their trees, and why imports of theirs are not found.
        self.trees = dict(self.manager.modules)
        self.reasons = dict(self.manager.missing_modules)
        self.needs: dict[str, frozenset[str]] = {}
        self.reaches: dict[str, frozenset[str]] = {}
        self.mend()
        # How many library modules were read so far, besides those read first.
        self.loads = 0
        # Whether the last program was more than parsed.
        self.checked = False
        self.forget()

    def check(self, code: str, begins: Callable[[str], object] = lambda _stage: None) -> tuple[int, list[str]]:
        """Exit status and output lines of `mypy program.py`.

        `begins` hears what is done next: "imports" finds and parses what the program names, "libraries" reads what is new among
        that, whatever the program is, and "program" is what the program alone decides.
        """
        write(code)
        self.files.flush()
        self.lines.clear()
        reset_global_state()
        manager = self.manager
        manager.semantic_analyzer = SemanticAnalyzer(
            manager.modules, manager.missing_modules, manager.incomplete_namespaces, manager.errors, manager.plugin,
            manager.import_map,
        )  # fmt: skip
        self.checked = blocked = False
        try:
            self.run(begins)
        except CompileError as error:
            blocked = True
            self.lines.extend(error.messages)
        lines = list(self.lines)
        self.forget()
        is_error = any(": note: " not in line for line in lines)
        return (2 if blocked else 1) if is_error else 0, lines

    def run(self, begins: Callable[[str], object]) -> None:
        manager, graph = self.manager, self.graph
        new: list[build.State] = []
        begins("imports")
        try:
            build.load_graph(self.sources, manager, graph, new)
        except CompileError:
            for state in new:
                graph.pop(state.id, None)
            raise
        # Looking for `package.nothing` reads a copy of the package, whose types are never made ready.
        instance_cache.reset()
        self.reasons.update(manager.missing_modules)
        program = graph.pop(self.module)
        absent = graph.keys() - self.trees.keys()
        if absent:
            begins("libraries")
            self.load(absent)
            self.mend()
        graph[self.module] = program
        self.show(program)
        begins("program")
        # Of the program itself nothing is kept.
        program.options = program.options.apply_changes({"cache_dir": os.devnull})
        alone = build.SCC({self.module})
        manager.scc_by_id = {alone.id: alone}
        manager.scc_by_mod_id[self.module] = alone
        manager.top_order = [alone.id]
        self.checked = True
        build.process_stale_scc(graph, alone, manager)

    def mend(self) -> None:
        """Gives modules back what mypy takes from them for its own searches."""
        for state in self.graph.values():
            state.dependencies_set = set(state.dependencies)

    def is_whole(self) -> bool:
        """Whether all library modules that are known have been read, and not some of them in vain."""
        return self.graph.keys() == self.trees.keys()

    def show(self, program: build.State) -> None:
        """Leaves in sight what a build of the program alone would have read."""
        manager = self.manager
        assert program.tree is not None
        needed = self.closure(direct(program), self.needs, direct)
        manager.modules.clear()
        manager.modules.update((id, self.trees[id]) for id in needed)
        manager.modules[self.module] = program.tree
        reached = self.closure(reachable(program), self.reaches, reachable)
        # mypy empties these sets when it looks for what is imported indirectly.
        manager.import_map.clear()
        manager.import_map.update((id, set(self.graph[id].dependencies)) for id in reached)
        manager.import_map[self.module] = set(program.dependencies)
        for id in reached:
            for name in self.graph[id].suppressed:
                if name in self.reasons:
                    manager.missing_modules.setdefault(name, self.reasons[name])

    def load(self, absent: set[str]) -> None:
        """Reads library modules, from the cache or from their source, in the order that mypy would."""
        manager, graph = self.manager, self.graph
        manager.modules.update(self.trees)
        manager.import_map.update((id, set(state.dependencies)) for id, state in graph.items())
        components = build.sorted_components(graph)
        manager.scc_by_id = {component.id: component for component in components}
        manager.top_order = [component.id for component in components]
        manager.done_sccs.clear()
        for component in components:
            for id in component.mod_ids:
                manager.scc_by_mod_id[id] = component
            if not component.mod_ids & absent:
                manager.done_sccs.add(component.id)
        for component in components:
            if component.mod_ids & absent:
                _stale, fresh = build.find_stale_sccs([component], graph, manager)
                if fresh:
                    build.process_fresh_modules(graph, sorted(component.mod_ids), manager)
                else:
                    build.process_stale_scc(graph, component, manager)
                manager.done_sccs.add(component.id)
                self.trees.update((id, manager.modules[id]) for id in component.mod_ids)
                self.loads += len(component.mod_ids)

    def closure(
        self, ids: list[str], known: dict[str, frozenset[str]], edges: Callable[[build.State], list[str]]
    ) -> frozenset[str]:
        """Modules of the graph that some need, those included. What libraries need does not change."""
        union: set[str] = set()
        for id in ids:
            if id not in self.graph:
                continue
            found = known.get(id)
            if found is None:
                seen, rest = {id}, [id]
                while rest:
                    for other in edges(self.graph[rest.pop()]):
                        if other not in seen and other in self.graph:
                            seen.add(other)
                            rest.append(other)
                found = known[id] = frozenset(seen)
            union |= found
        return frozenset(union)

    def forget(self) -> None:
        """Takes the program out of the build."""
        manager = self.manager
        for table in (self.graph, self.trees, manager.import_map, manager.import_options, manager.scc_by_mod_id):
            table.pop(self.module, None)
        for memory in (
            manager.modules, manager.ast_cache, manager.missing_modules, manager.incomplete_namespaces,
            manager.known_partial_packages, manager.missing_stub_packages, manager.processed_targets,
            manager.stale_modules, manager.rechecked_modules, manager.transitive_deps_cache,
        ):  # fmt: skip
            memory.clear()
        manager.indirection_detector = build.TypeIndirectionVisitor()
        manager.errors.reset()


def forget_program() -> None:
    """A program that is the same text is no known module."""
    for cached in glob.glob(f"../cache/*/{PROGRAM.removesuffix('.py')}.*"):
        os.unlink(cached)


def direct(state: build.State) -> list[str]:
    """Modules that a module imports. What it merely mentions lies behind these."""
    return [id for id in state.dependencies if state.priorities.get(id) != build.PRI_INDIRECT]


def reachable(state: build.State) -> list[str]:
    """Modules that are looked for because of a module: also the packages that it is in."""
    return [*direct(state), *(state.ancestors or [])]


def write(code: str) -> None:
    # As it is, also where a line ends with a carriage return.
    with open(PROGRAM, "w", encoding="utf-8", newline="") as file:
        file.write(code)
