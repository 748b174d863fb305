"""The landing folder: which file belongs to which day."""
