"""The compatibility matrix: real peers, asked about real tokens."""

import pathlib
import sys

# Where tokenward_process.py is.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2]))
