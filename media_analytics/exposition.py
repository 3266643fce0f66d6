"""Metrics as text that Prometheus reads (format 0.0.4).

Belongs here: what a metric is, how a sample is written. Does not belong here: which metrics there are
(`streaming.collector.metrics`, `dashboard.reading.metrics`).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Metric:
    """One metric: its kind, what it says, and the names of its labels."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    def head(self, name: str) -> list[str]:
        """The two lines before its samples."""
        return [f"# HELP {name} {self.help}", f"# TYPE {name} {self.kind}"]

    def sample(self, name: str, values: tuple[str, ...]) -> str:
        """Name and labels of one sample; `values` in the order of `labels`.

        Raises:
            ValueError: there are more or fewer values than labels.
        """
        if len(self.labels) != len(values):
            raise ValueError(f"{name} has labels {self.labels}; got {values}")
        if not self.labels:
            return name
        pairs = ",".join(f'{label}="{_escaped(v)}"' for label, v in zip(self.labels, values, strict=True))
        return f"{name}{{{pairs}}}"


def text(metrics: Mapping[str, Metric], samples: Iterable[tuple[str, tuple[str, ...], float]]) -> str:
    """Every metric with its samples (name, label values, value), in the order of `metrics`."""
    lines: dict[str, list[str]] = {name: metric.head(name) for name, metric in metrics.items()}
    for name, values, value in samples:
        lines[name].append(f"{metrics[name].sample(name, values)} {number(value)}")
    return "\n".join(line for each in lines.values() for line in each) + "\n"


def number(value: float) -> str:
    """A value as Prometheus writes it."""
    return "+Inf" if value == math.inf else f"{value:.17g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
