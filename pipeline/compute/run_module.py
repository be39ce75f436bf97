"""Runs a module of this project, wherever that lies: ``python -P run_module.py pipeline.compute.worker job.json``.

``python -m`` would look for every module in the working directory first, where somebody's data may lie beside a
``random.py``. The project's own folder comes last, so that nothing in it takes the place of a library.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__")
