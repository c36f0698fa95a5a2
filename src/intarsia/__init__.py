"""One encoder for many particle detectors; see README.md."""

from pathlib import Path

__version__ = "0.1.0"

if not (Path(__file__).parent / "core").is_dir():
    raise ImportError(
        "intarsia was checked out without symbolic links, so its source folders are missing; "
        "run 'git config core.symlinks true && git checkout -- src' in the clone "
        "(on Windows with developer mode on)"
    )
