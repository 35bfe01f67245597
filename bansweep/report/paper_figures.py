"""Every figure that "Born-Again Neural Networks" (Furlanello et al., ICML 2018) prints in its tables 1-6.

Lower is better throughout: test errors in percent, perplexities. `params_M` is the number of parameters in millions,
as printed. None means that the paper has no figure. Rows and columns have their names in sweep files; table 4 is
rearranged for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bansweep.config.base import nearest
from bansweep.config.consistency import PAPER_TABLES
from bansweep.errors import RequestError
from bansweep.report.metrics import MetricName


@dataclass(frozen=True)
class PaperTable:
    """A printed table: for each row one figure a column, in the order of `columns`."""

    title: str
    metric: MetricName
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]


_TABLE1 = PaperTable(
    title="CIFAR-10: students of their own teacher's architecture",
    metric="test_error",
    columns=("params_M", "teacher", "ban"),
    rows={
        "wrn-28-1": (0.38, 6.69, 6.64),
        "wrn-28-2": (1.48, 5.06, 4.86),
        "wrn-28-5": (9.16, 4.13, 4.03),
        "wrn-28-10": (36.0, 3.77, 3.86),
        "densenet-112-33": (6.3, 3.84, 3.61),
        "densenet-90-60": (16.1, 3.81, 3.50),
        "densenet-80-80": (22.4, 3.48, 3.49),
        "densenet-80-120": (50.4, 3.37, 3.54),
    },
)


# `ban` and `ban-1` differ in nothing but the seed. Without a third generation of densenet-80-120, its `ens*3` is the
# mean of teacher, ban-1 and ban-2.
_TABLE2 = PaperTable(
    title="CIFAR-100: DenseNets by distillation loss, by generation, and as ensembles",
    metric="test_error",
    columns=("teacher", "ban", "ban+l", "cwtm", "dkpp", "ban-1", "ban-2", "ban-3", "ens*2", "ens*3"),
    rows={
        "densenet-112-33": (18.25, 16.95, 17.68, 17.84, 17.84, 17.61, 17.22, 16.59, 15.77, 15.68),
        "densenet-90-60": (17.69, 16.69, 16.93, 17.42, 17.43, 16.62, 16.44, 16.72, 15.39, 15.74),
        "densenet-80-80": (17.16, 16.36, 16.50, 17.16, 16.84, 16.26, 16.30, 15.50, 15.46, 15.14),
        "densenet-80-120": (16.87, 16.00, 16.41, 17.12, 16.34, 16.13, 16.13, None, 15.13, 14.90),
    },
)


_TABLE3 = PaperTable(
    title="CIFAR-100: Wide-ResNets that teach themselves, and a DenseNet",
    metric="test_error",
    columns=("teacher", "ban", "densenet-90-60"),
    rows={
        "wrn-28-1": (30.05, 29.43, 24.93),
        "wrn-28-2": (25.32, 24.38, 18.49),
        "wrn-28-5": (20.88, 20.93, 17.52),
        "wrn-28-10": (19.08, 18.25, 16.79),
    },
)


# Printed with a single column of test errors, whose first row is the teacher, densenet-90-60: 22.4 M, which is
# densenet-80-80's count of table 1, and 17.69 %. A sweep has a teacher and a student in each row, so that 17.69 is
# in each row's teacher cell; params_M is the student's.
_TABLE4 = PaperTable(
    title="CIFAR-100: shallower, deeper and compressed students of DenseNet-90-60",
    metric="test_error",
    columns=("params_M", "teacher", "ban"),
    rows={
        "depth*0.5": (21.2, 17.69, 16.95),
        "depth*2": (13.7, 17.69, 16.43),
        "depth*3": (12.9, 17.69, 16.64),
        "depth*4": (12.6, 17.69, 16.64),
        "compr*0.5": (5.1, 17.69, 19.83),
        "compr*0.75": (10.1, 17.69, 17.30),
        "compr*1.5": (80.5, 17.69, 18.89),
    },
)


_TABLE5 = PaperTable(
    title="CIFAR-100: residual networks, from labels and as students of DenseNet-90-60",
    metric="test_error",
    columns=("params_M", "baseline", "ban"),
    rows={
        "pre-resnet-1001": (10.2, 22.71, None),
        "ban-pre-resnet-14-0.5": (7.3, 20.28, 18.80),
        "ban-pre-resnet-14-1": (17.7, 18.84, 17.39),
        "ban-wide-resnet-1-1": (20.9, 20.40, 19.12),
        "ban-match-wide-resnet-2-1": (43.1, 18.83, 17.42),
        "ban-wide-resnet-4-0.5": (24.3, 19.63, 17.13),
        "ban-wide-resnet-4-1": (87.3, 18.77, 17.18),
    },
)


_TABLE6 = PaperTable(
    title="Penn Tree Bank: recurrent language models, validation and test",
    metric="perplexity",
    columns=("params_M", "teacher_val", "ban_val", "teacher_test", "ban_test"),
    rows={
        "cnn-lstm": (19, 83.69, 80.27, 80.05, 76.97),
        "lstm": (52, 75.11, 71.19, 71.87, 68.56),
    },
)


_TABLES = {
    "table1": _TABLE1,
    "table2": _TABLE2,
    "table3": _TABLE3,
    "table4": _TABLE4,
    "table5": _TABLE5,
    "table6": _TABLE6,
}


def paper_table(name: str) -> PaperTable:
    """The table called `name`, one of PAPER_TABLES. Raises RequestError for any other name."""
    if name not in _TABLES:
        raise RequestError(f"the paper has no table {name!r}", remedy=nearest(name, PAPER_TABLES))
    return _TABLES[name]


def paper_figure(table: str, row: str, column: str) -> float | None:
    """What the paper prints in a cell; None where it has no such row or column, or left the cell out.

    Raises RequestError for a table that is not in PAPER_TABLES.
    """
    printed = paper_table(table)
    if row not in printed.rows or column not in printed.columns:
        return None
    return printed.rows[row][printed.columns.index(column)]
