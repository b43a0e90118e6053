#!/usr/bin/python3
"""pairs.py FOLDER OUT: converts every document of FOLDER by every pair of the reference, opens each result by programs that are not ours, and
prints how much of the source is in it: words or cells, pages, slides or sheets, and pictures. What falls short is listed with the words that
are missing, and makes the exit status 1. OUT is where the results lie afterwards, each beside its PDF by LibreOffice, and a contact sheet of
their first pages: `sheet.png`.

CONVERTFLY_PROGRAM names the program (target/debug/convertfly). Needs what the tests need (deploy/install-deps.sh test)."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import texts
from server import Server

DOCUMENTS = ["pdf", "docx", "odt", "rtf", "txt", "html"]
SHEETS = ["xlsx", "ods", "csv", "pdf"]
SLIDES = ["pptx", "odp", "pdf"]
ROWS = [
    (["docx", "doc", "odt", "rtf", "txt", "html"], DOCUMENTS),
    (["md"], ["pdf", "docx", "odt", "rtf", "txt", "html"]),
    (["pdf"], ["docx", "odt", "rtf", "txt", "html", "pptx", "odp"]),
    (["xlsx", "xls", "ods", "csv"], SHEETS),
    (["pptx", "ppt", "odp"], SLIDES),
]
PICTURES = ["png"]
# The share of words that has to be there. What pdf becomes is rebuilt.
LEAST, REBUILT = 0.98, 0.97


class Row:
    def __init__(self, name, to):
        self.name, self.to, self.notes, self.bad = name, to, [], False

    def note(self, text, bad=False):
        self.notes.append(text)
        self.bad |= bad


def convert(server, path, out):
    name = os.path.basename(path)
    kind = name.rsplit(".", 1)[1]
    targets = next((targets for sources, targets in ROWS if kind in sources), None)
    rows = []
    if targets is None:
        return rows
    made = server.convert(path, targets + PICTURES)
    for target, files in made.items():
        row = Row(name, target)
        rows.append(row)
        if isinstance(files, dict):
            refused = "password" in files.get("message", "")
            row.note("protected, and refused" if refused else f"{files.get('code')}: {files.get('message')}", not refused)
            row.files = []
            continue
        folder = f"{out}/{target}/{name.replace('.', '_')}"
        os.makedirs(folder, exist_ok=True)
        row.files = []
        for file, data in files:
            with open(f"{folder}/{file}", "wb") as opened:
                opened.write(data)
            row.files.append(f"{folder}/{file}")
    return rows


def as_pdf(paths, out):
    """By LibreOffice's own program, all files of one format in one run; by source file."""
    stems = {}
    staged = []
    os.makedirs(f"{out}/staged", exist_ok=True)
    for path in paths:
        stem = path[len(out) + 1 :].rsplit(".", 1)[0].replace("/", "__") if path.startswith(out) else "source__" + os.path.basename(path).replace(".", "_")
        link = f"{out}/staged/{stem}.{path.rsplit('.', 1)[1]}"
        if not os.path.lexists(link):
            os.symlink(os.path.abspath(path), link)
        staged.append(link)
        stems[path] = f"{out}/opened/{stem}.pdf"
    if staged:
        texts.soffice("pdf", staged, f"{out}/opened")
    return {path: pdf for path, pdf in stems.items() if os.path.exists(pdf)}


def words_of(path, opened):
    """Words of a file; of what only LibreOffice reads, those of its PDF."""
    kind = path.rsplit(".", 1)[1]
    return texts.words(texts.text(opened[path] if kind in ("ppt", "xls", "xlsx", "ods") and path in opened else path))


def judge(row, source, opened):
    kind = source.rsplit(".", 1)[1]
    if row.to in PICTURES:
        # Whatever has no pages of its own may have more or fewer on other paper.
        pages = texts.pages(opened[source]) if source in opened else texts.pages(source)
        fixed = kind in ("pdf", "docx", "doc", "odt", "rtf", "pptx", "ppt", "odp") and pages
        row.note(f"{len(row.files)} of {pages} pages" if fixed else f"{len(row.files)} pages", bool(fixed) and len(row.files) != pages)
        return
    if kind in ("xlsx", "xls", "ods", "csv") and row.to != "pdf":
        cells = [sheet for sheet in texts.sheets(source) if sheet]
        found = [sheet for file in row.files for sheet in texts.sheets(file) if sheet]
        share, missing = texts.recall(sum(cells, texts.Counter()), sum(found, texts.Counter()))
        row.note(f"{len(found)} of {len(cells)} sheets", len(found) != len(cells))
        row.note(f"{share:.4f} of the cells", share < LEAST)
    else:
        # LibreOffice's text is the running text alone.
        running = row.to == "txt" and kind in ("docx", "doc", "odt", "rtf")
        of = texts.words(texts.text(source, False)) if running else words_of(source, opened)
        found = sum((words_of(file, opened) for file in row.files), texts.Counter())
        if kind == "pdf" and row.files[0] in opened and row.to in ("docx", "odt", "rtf"):
            # Numbers of lists are drawn, and no text of the file.
            found |= texts.words(texts.text(opened[row.files[0]]))
        share, missing = texts.recall(of, found)
        row.note(f"{share:.4f} of the words", share < (REBUILT if kind == "pdf" else LEAST))
    if missing and share < 0.995:
        row.note("missing: " + " ".join(word for word, _ in missing.most_common(12)))
    result = row.files[0]
    before = texts.pages(source) or (source in opened and texts.pages(opened[source])) or None
    after = texts.pages(result) or (result in opened and texts.pages(opened[result])) or None
    if kind not in ("xlsx", "xls", "ods", "csv", "html", "md", "txt") and row.to not in ("txt", "html") and before and after:
        slides = row.to in ("pptx", "odp") or kind in ("pptx", "ppt", "odp")
        row.note(f"{after} of {before} {'slides' if slides else 'pages'}", before != after if slides else abs(after - before) > max(1, 0.25 * before))
    held, kept = texts.pictures(source), texts.pictures(result)
    if held and kept is not None and row.to not in ("txt", "csv"):
        row.note(f"{kept} of {held} pictures", kept < held and not (kind == "pdf" and row.to == "html"))
    if row.to in ("docx", "odt", "rtf", "html", "xlsx", "ods", "csv", "pptx", "odp", "txt"):
        row.note("", False) if result in opened else row.note("LibreOffice does not open it", True)


def contact_sheet(rows, sources, opened, path):
    """First pages, a row a document: the source, then its results."""
    from PIL import Image, ImageDraw

    width, height, label = 210, 260, 14

    def first_page(file):
        pdf = file if file.endswith(".pdf") else opened.get(file)
        if file.endswith(".png"):
            picture = Image.open(file)
        elif pdf:
            import io

            picture = Image.open(io.BytesIO(texts.run("pdftoppm", "-r", "40", "-f", "1", "-l", "1", "-png", pdf)))
        else:
            return None
        picture = picture.convert("RGB")
        picture.thumbnail((width - 6, height - label - 6))
        return picture

    columns = max(len([row for row in rows if row.name == os.path.basename(source)]) for source in sources) + 1
    sheet = Image.new("RGB", (columns * width, len(sources) * height), "#888")
    draw = ImageDraw.Draw(sheet)
    for line, source in enumerate(sources):
        files = [(os.path.basename(source), source)]
        files += [(row.to, row.files[0]) for row in rows if row.name == os.path.basename(source) and row.files]
        for column, (name, file) in enumerate(files):
            draw.text((column * width + 4, line * height + 1), name, fill="white")
            picture = first_page(file)
            if picture:
                sheet.paste(picture, (column * width + 3, line * height + label))
    sheet.save(path)


def main():
    folder, out = sys.argv[1], os.path.abspath(sys.argv[2])
    only = sys.argv[3:]
    names = sorted(name for name in os.listdir(folder) if not only or name in only)
    sources = [os.path.join(os.path.abspath(folder), name) for name in names]
    with Server() as server, ThreadPoolExecutor(2) as pool:
        rows = [row for rows in pool.map(lambda path: convert(server, path, out), sources) for row in rows]
    sources = [source for source in sources if any(row.name == os.path.basename(source) and row.files for row in rows)]
    opened = {}
    office = [source for source in sources if source.rsplit(".", 1)[1] not in ("pdf", "md")]
    by_format = {}
    for file in [file for row in rows for file in row.files if row.to not in ("pdf", *PICTURES)]:
        by_format.setdefault(file.rsplit(".", 1)[1], []).append(file)
    for files in [office, *by_format.values()]:
        opened |= as_pdf(files, out)
    failures = 0
    print("| source | to | |  |\n|---|---|---|---|")
    for row in rows:
        source = next((source for source in sources if os.path.basename(source) == row.name), None)
        if row.files:
            try:
                judge(row, source, opened)
            except (subprocess.CalledProcessError, OSError, AssertionError, ValueError) as error:
                row.note(f"cannot be opened: {error}", True)
        failures += row.bad
        print(f"| {row.name} | {row.to} | {'**short**' if row.bad else 'ok'} | {', '.join(note for note in row.notes if note)} |", flush=True)
    contact_sheet(rows, sources, opened, f"{out}/sheet.png")
    print(f"{len(rows)} conversions, {failures} fall short; {out}/sheet.png shows them")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
