"""Texts in, typed values out: ids, numbers, dates."""
