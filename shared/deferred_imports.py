"""Imports a module of a large package without running the ``__init__`` of packages on the way that it does not need."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from shared.torch_imports import TORCH_IMPORTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@contextlib.contextmanager
def defer(*names: str) -> Iterator[None]:
    """While the block runs, modules called ``names`` are imported without running their code.

    The code of such a module runs when the first attribute is read that it does not have yet, then or ever after. So
    ``import a.b.c`` does not run the code of a deferred package ``a.b``, and ``from a.b import X`` does. Hold
    ``TORCH_IMPORTS``.
    """
    finder = _Finder(frozenset(names))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferredLoader(spec.loader)
        return spec


class _DeferredLoader(importlib.abc.Loader):
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the code for the first attribute that is missing."""
        loader, running = self._loader, False

        def run(name: str) -> Any:
            nonlocal running
            with TORCH_IMPORTS:
                if not running:
                    running = True
                    loader.exec_module(module)
            found = sys.modules.get(module.__name__, module)  # some packages replace their module
            if found is module and vars(module).get("__getattr__") is run:
                if name not in vars(module):
                    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
                return vars(module)[name]
            return getattr(found, name)

        module.__getattr__ = run  # type: ignore[method-assign]


@contextlib.contextmanager
def replace(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """While the block runs, an import of a name among ``modules`` gives that module, and fails for None.

    What is imported already stays. None is for a module that an importer does without if it is not installed. Hold
    ``TORCH_IMPORTS``.
    """
    replaced = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(replaced)  # type: ignore[arg-type]  # Python imports no module that is None here
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]


def import_at_call(name: str) -> ModuleType:
    """Return a module for ``replace`` instead of ``name``: what is taken from it imports ``name`` when it is called.

    Once the block of ``replace`` has ended, the attributes of the module are those of ``name``.
    """
    module = ModuleType(name)

    def look_up(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        if sys.modules.get(name) is not module:
            return getattr(importlib.import_module(name), attribute)

        def call(*arguments: Any, **named: Any) -> Any:
            return getattr(importlib.import_module(name), attribute)(*arguments, **named)

        return call

    module.__getattr__ = look_up  # type: ignore[method-assign]
    return module


def stand_in_compiler() -> ModuleType:
    """Return a module for ``replace`` instead of ``torch._dynamo``, which takes seconds to import.

    diffusers and Sionna mark functions with it that must not be compiled. Nothing is compiled here.
    """
    module = ModuleType("torch._dynamo")
    module.allow_in_graph = lambda function: function  # type: ignore[attr-defined]
    module.disable = lambda function, *_, **__: function or module.allow_in_graph  # type: ignore[attr-defined]
    return module
