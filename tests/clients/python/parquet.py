"""Writes a table as a parquet file: `python parquet.py PATH ROWS_OF_A_GROUP`, with the rows as JSON lines on the input.

For fixtures: what clients must read is stated by those who call it.
"""

import json
import sys

import pyarrow
import pyarrow.parquet

path, rows_of_a_group = sys.argv[1], int(sys.argv[2])
table = pyarrow.Table.from_pylist([json.loads(line) for line in sys.stdin])
pyarrow.parquet.write_table(table, path, row_group_size=rows_of_a_group, compression="none")
