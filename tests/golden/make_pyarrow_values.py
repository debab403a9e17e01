"""Make the golden values of an LMDB as the published code writes them.

Needs a pyarrow that still has ``serialize`` (before 14), for each version once:

    python make_pyarrow_values.py picture.jpg

The picture is a drawn gradient of 112 x 112.
"""

import sys
from pathlib import Path

import pyarrow

picture = Path(sys.argv[1]).read_bytes()
value = pyarrow.serialize((picture, 4711, "00045/001.jpg")).to_buffer().to_pybytes()
Path(__file__).with_name(f"pyarrow-{pyarrow.__version__}.bin").write_bytes(value)
