"""Leakage audit: columns, texts and moments of labelled listings that give the label away."""

from ipml.model.leakage.leak import Leak, LeakageReport
from ipml.model.leakage.leakage import audit_leakage

__all__ = ["Leak", "LeakageReport", "audit_leakage"]
