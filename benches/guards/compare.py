"""compare.py COUNTS.json RUSTC FOLDER [--record]: what callgrind has counted against what is recorded.

FOLDER holds, for each run, NAME.names with the name of each piece of work, one a line, and NAME.out.1, NAME.out.2 … with their counts in
the same order. Other versions of rustc make other code, so that each has its own record; without one nothing is compared.
"""

import json
import pathlib
import re
import sys


def total(dump):
    """Instructions of a dump: the line `summary:` (or `totals:`, in dumps of a part) of callgrind's format."""
    text = dump.read_text(errors="replace") if dump.exists() else ""
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if not found:
        sys.exit(f"guards: {dump.name} holds no count")
    return int(found.group(1))


def measured(folder):
    counts = {}
    for names in sorted(folder.glob("*.names")):
        for number, name in enumerate(names.read_text().splitlines(), start=1):
            counts[name] = total(folder / f"{names.stem}.out.{number}")
    return counts


def compare(recorded, counts, tolerance):
    """The faults, and what is worth a word."""
    faults, remarks = [], []
    for name in sorted(recorded.keys() | counts.keys()):
        was, now = recorded.get(name), counts.get(name)
        if was is None:
            faults.append(f"{name}: {now} instructions, and none are recorded")
        elif now is None:
            faults.append(f"{name}: recorded, and not counted any more")
        elif now > was * (1 + tolerance):
            faults.append(f"{name}: {now} instructions, {now / was - 1:+.1%} to the recorded {was}")
        elif now < was * (1 - tolerance):
            remarks.append(f"{name}: {now} instructions, {now / was - 1:+.1%} to the recorded {was}; record it, so that it stays so")
    return faults, remarks


def main():
    file, rustc, folder = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    record = json.loads(file.read_text()) if file.exists() else {"tolerance": 0.03, "counts": {}}
    counts = measured(folder)
    if not counts or 0 in counts.values():
        sys.exit(f"guards: nothing was counted: {counts}")
    if "--record" in sys.argv[4:]:
        # One version is kept: the older one's code cannot be measured any more.
        record["counts"] = {rustc: counts}
        file.write_text(json.dumps(record, indent=2) + "\n")
        print(f"guards: {len(counts)} counts recorded for {rustc}")
        return
    recorded = record["counts"].get(rustc)
    if recorded is None:
        others = ", ".join(record["counts"]) or "nothing"
        print(f"guards: recorded is {others}, and this is {rustc}: nothing to compare with. benches/guards/run.sh --record")
        return
    faults, remarks = compare(recorded, counts, record["tolerance"])
    for line in remarks:
        print(f"guards: {line}")
    for line in faults:
        print(f"guards: FAULT: {line}")
    if faults:
        sys.exit("guards: where that is meant, record it: benches/guards/run.sh --record")
    print(f"guards: {len(counts)} counts within {record['tolerance']:.0%} of the recorded ones")


if __name__ == "__main__":
    main()
