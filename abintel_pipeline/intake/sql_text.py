"""SQL strings and names."""


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A SQL name."""
    return '"' + name.replace('"', '""') + '"'


def named(value: str, name: str, body: str) -> str:
    """SQL of `body`, in which a name stands for a value that is long to write.

    A long expression that stands in itself several times takes DuckDB longer to plan than a small
    file to read: 100 ms for an amount.
    """
    return f"list_transform([{value}], lambda {name}: {body})[1]"
