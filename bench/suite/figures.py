"""What was measured, and the table of it."""

from statistics import median


def number(value, unit):
    """Three significant digits are what such a run can promise."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor and unit in ("/s", "B/s"):
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.0f} " if value >= 100 else f"{value:.3g} "


def shown(values, unit):
    """Median and, of several, the smallest and largest."""
    if len(values) == 1:
        return number(values[0], unit) + unit
    least, most = number(min(values), unit), number(max(values), unit)
    return f"{number(median(values), unit)}{unit} ({least.strip()} … {most.strip()})"


def row(goal, what, unit, ours, other="", others=None, goal_text="", meets=None):
    """One comparison of one goal.

    ours, others: one value a round, taken one after the other. meets: called with the ratio of
    the medians' rounds (or, without others, with our median), says whether the goal is met.
    """
    if others:
        ratios = [mine / theirs for mine, theirs in zip(ours, others) if theirs > 0]
        judged = median(ratios) if ratios else None
    else:
        ratios = []
        judged = median(ours)
    met = None if meets is None or judged is None else bool(meets(judged))
    return {
        "goal": goal, "what": what, "unit": unit, "ours": ours, "other": other,
        "others": others or [], "ratio": judged if others else None, "ratios": ratios,
        "goal_text": goal_text, "met": met,
    }


HEADINGS = ["#", "what", "imlog: median (min … max)", "peer or limit", "its figure", "ratio",
            "goal", "met"]


def cells(entry):
    unit = entry["unit"]
    ratio = "" if entry["ratio"] is None else f"{entry['ratio']:.3g} ×"
    met = {True: "yes", False: "no", None: ""}[entry["met"]]
    return [str(entry["goal"]), entry["what"], shown(entry["ours"], unit), entry["other"],
            shown(entry["others"], unit) if entry["others"] else "", ratio, entry["goal_text"],
            met]


def described(results):
    """When, where, and whether to believe it."""
    machine = results["machine"]
    text = (f"{results['taken']}, {machine['cpu']}, {machine['cores']} cores, "
            f"{machine['kernel']}, {machine.get('file_system', 'unknown file system')}; "
            f"rounds: {results['rounds']}, of {results['seconds']:g} s.")
    if results["quick"]:
        return text + " A --quick run: the figures mean nothing."
    return text if results["rounds"] >= 5 else text + " Fewer than 5 rounds: not for publishing."


def markdown(results):
    lines = [
        described(results),
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|" + "---|" * len(HEADINGS),
    ]
    lines += ["| " + " | ".join(cells(entry)) + " |" for entry in results["rows"]]
    lines += [""] + [f"- {note}" for note in results["notes"]]
    return "\n".join(lines)


def table(results):
    rows = [HEADINGS] + [cells(entry) for entry in results["rows"]]
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
             for line in rows]
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines + ["", described(results)] + results["notes"])
