"""The three documented calls: a request's JSON in, its response out."""

from abintel_pipeline.service.calls.calls import Calls
from abintel_pipeline.service.calls.faults import Faulty

__all__ = ["Calls", "Faulty"]
