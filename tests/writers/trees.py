"""Trees of flat branches in ROOT files, by uproot."""

from pathlib import Path

import numpy as np


def write_trees(path: Path, trees: dict[str, dict[str, object]]) -> Path:
    """Trees of flat branches: an array for one number per entry, a list of arrays for ragged ones."""
    import awkward as ak
    import uproot

    with uproot.recreate(path) as file:
        for name, branches in trees.items():
            columns = {
                k: v
                if isinstance(v, np.ndarray)
                else ak.unflatten(np.concatenate(v), [len(row) for row in v])
                for k, v in branches.items()
            }
            kinds = {
                k: v.dtype if isinstance(v, np.ndarray) else str(v.type.content)
                for k, v in columns.items()
            }
            tree = file.mktree(name, kinds, counter_name=lambda n: f"counter_{n.replace('.', '_')}")
            tree.extend(columns)
    return path
