"""The one decorator of compiled kernels, and where their machine code is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

Array = np.ndarray[Any, Any]
F = TypeVar("F", bound=Callable[..., Any])

HERE = Path(__file__).parent


def compiled(function: F) -> F:
    """Compile `function` when first called; later processes read its machine code from a cache.

    Arithmetic is exactly IEEE: with numba's fastmath, code fresh from the compiler and the same code
    from its cache rounded differently, so that a sample depended on who made it; and it was no faster.
    Division by zero gives infinity, as in numpy, instead of raising. The function makes no array
    (see `allocating`): it then need not count references to arrays, which took half of the time.
    """
    return _compiled(function, _nrt=False)


def inlined(function: F) -> F:
    """As `compiled`, and always put in place of its calls.

    For what is called at every step with a `Store` or a `Medium`: numba passes each field of their
    arrays by itself, some 150 numbers, which takes longer than the work.
    """
    return _compiled(function, _nrt=False, forceinline=True)


def allocating(function: F) -> F:
    """As `compiled`, for a function that makes arrays."""
    return _compiled(function)


def _compiled(function: F, **options: bool) -> F:
    config: Any = numba.config
    njit: Any = numba.njit
    before = config.CACHE_DIR
    config.CACHE_DIR = str(_folder(Path(function.__code__.co_filename).parent))
    try:
        kernel = njit(cache=True, error_model="numpy", **options)(function)
    finally:
        config.CACHE_DIR = before
    _plain_numbers(kernel)
    return cast(F, kernel)


def _plain_numbers(kernel: Any) -> None:
    """Let kernels call `kernel` with constants without compiling it anew for each constant.

    This halves the time a first run waits. Should numba one day not ask this method any more, only
    that is lost.
    """
    ask = kernel.get_call_template
    plain: Any = numba.types.unliteral

    def answer(args: Any, kws: Any) -> Any:
        return ask(tuple(map(plain, args)), {k: plain(v) for k, v in dict(kws).items()})

    kernel.get_call_template = answer


@cache
def _folder(source: Path) -> Path:
    """Cache folder of the kernels in `source`, another one whenever a source file changes.

    Numba itself looks at a kernel's own file alone: after an update it would go on using old code
    of kernels in other files, inlined into this one.
    """
    digest = blake2b(digest_size=8)
    for path in sorted({*HERE.glob("*.py"), *source.glob("*.py")}):
        digest.update(path.name.encode() + path.read_bytes())
    return _root() / f"kernels-{digest.hexdigest()}"


def _root() -> Path:
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(folder)
    beside = HERE / "__pycache__"
    if os.access(beside if beside.is_dir() else HERE, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "intarsia"
