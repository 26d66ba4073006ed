"""Two contracts that import-linter lacks. pyproject.toml lists them as `contract_types`."""

from graphlib import CycleError, TopologicalSorter
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class NoCycles(Contract):
    """No module imports itself through others, and no package imports itself through its own modules.

    `acyclic_siblings` compares folders, so it misses a module that imports its own package.
    """

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's signature
        imports = {module: graph.find_modules_directly_imported_by(module) for module in _ours(graph)}
        try:
            TopologicalSorter(imports).prepare()
        except CycleError as error:
            return ContractCheck(kept=False, metadata={"cycle": error.args[1]})
        return ContractCheck(kept=True)

    def render_broken_contract(self, check: ContractCheck) -> None:
        # graphlib lists each module after one that imports it.
        output.print_error(f"A cycle: {' is imported by '.join(check.metadata['cycle'])}.")


class ImportsOnly(Contract):
    """Of our own packages, `importer` imports those in `imports` and no other."""

    importer = fields.StringField()
    imports = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's signature
        # The class declares its fields as descriptors. An instance holds their values.
        importer, allowed = str(self.importer), cast("set[str]", self.imports)
        others = {_package(module) for module in _ours(graph)} - {importer} - allowed
        wrong = sorted(
            f"{module} -> {imported}"
            for module in {importer, *graph.find_descendants(importer)}
            for imported in graph.find_modules_directly_imported_by(module)
            if _package(imported) in others
        )
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error(f"{self.importer} must not import this: {', '.join(check.metadata['wrong'])}.")


def _ours(graph: ImportGraph) -> set[str]:
    return {module for module in graph.modules if not graph.is_module_squashed(module)}


def _package(module: str) -> str:
    return module.partition(".")[0]
