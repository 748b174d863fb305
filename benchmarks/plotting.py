"""The plot of growth: seconds by lines and by days, each beside its straight line."""

from pathlib import Path

from benchmarks.bench_growth import Growth


def plot(path: Path, by_lines: Growth, by_days: Growth) -> None:
    """Write both panels, on logarithmic scales: a straight line through zero has slope one."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    _panel(left, by_lines, "lines, one snapshot", "lines")
    _panel(right, by_days, "days in one range", "days")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _panel(axes, growth: Growth, title: str, unit: str) -> None:
    measured = {size: own.seconds for size, own in growth.items() if own.runs}
    if not measured:
        return
    sizes, taken = list(measured), list(measured.values())
    straight = [taken[0] * size / sizes[0] for size in sizes]
    axes.plot(sizes, straight, "--", color="0.6", label="straight line from the smallest")
    axes.plot(sizes, taken, "o-", color="tab:blue", label="pipeline, median")
    for size, value in measured.items():
        axes.annotate(f"{value:.3g} s", (size, value), (4, -13), textcoords="offset points")
    axes.set(xscale="log", yscale="log", title=title, xlabel=unit, ylabel="seconds")
    axes.set_xticks(sizes, [_short(size) for size in sizes], minor=False)
    axes.minorticks_off()
    axes.margins(0.14)
    axes.grid(alpha=0.3)
    axes.legend()


def _short(size: int) -> str:
    return f"{size / 1e6:g} M" if size >= 1e5 else f"{size:,}"
