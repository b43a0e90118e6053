"""The words, cells, pages and pictures of documents, by programs and libraries that are not ours."""

import csv
import html.parser
import io
import os
import re
import subprocess
import tempfile
import unicodedata
import xml.etree.ElementTree as tree
import zipfile
from collections import Counter

# Elements after which a word ends, by their names without prefix.
BREAKS = {"p", "h", "tab", "br", "cr", "line-break", "s", "tc", "table-cell", "list-item"}
# What LibreOffice calls a file of all sheets.
CELLS = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,true,false,false,-1"


def run(*arguments):
    return subprocess.run(arguments, check=True, capture_output=True).stdout


def soffice(to, paths, folder):
    """Converts files by LibreOffice's own program; what it makes lies in the folder."""
    os.makedirs(folder, exist_ok=True)
    profile = f"-env:UserInstallation=file://{tempfile.gettempdir()}/convertfly-check-{os.getuid()}"
    subprocess.run(["soffice", profile, "--headless", "--convert-to", to, "--outdir", folder, *paths], check=True, capture_output=True)


def local(element):
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def walk(element, wanted, out, skipped=()):
    """The text of an element; `wanted` names the elements that hold it, None for all."""
    name = local(element)
    if name in ("Fallback", "annotation", "tracked-changes", "forms") or name in skipped:
        return
    if element.text and (wanted is None or name in wanted):
        out.append(element.text)
    for child in element:
        walk(child, wanted, out, skipped)
        if child.tail and wanted is None:
            out.append(child.tail)
    if name in BREAKS:
        out.append(" ")


def xml_text(path, parts, wanted, skipped=()):
    out = []
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None, f"{path} is damaged"
        for name in sorted(archive.namelist()):
            if re.fullmatch(parts, name):
                walk(tree.fromstring(archive.read(name)), wanted, out, skipped)
                out.append(" ")
    return "".join(out)


class Html(html.parser.HTMLParser):
    INLINE = {"a", "b", "i", "u", "em", "strong", "font", "span", "code", "sup", "sub", "s", "small", "kbd", "mark"}

    def __init__(self):
        super().__init__()
        self.out, self.hidden, self.images = [], 0, 0

    def handle_starttag(self, tag, attrs):
        self.images += tag == "img" or tag == "svg"
        self.hidden += tag in ("style", "script", "title")
        if tag not in self.INLINE:
            self.out.append(" ")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "script", "title")
        if tag not in self.INLINE:
            self.out.append(" ")

    def handle_data(self, data):
        if self.hidden <= 0:
            self.out.append(data)


def plain(path):
    with open(path, "rb") as file:
        data = file.read()
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass


def html_of(path):
    parser = Html()
    parser.feed(plain(path))
    return parser


def text(path, beside=True):
    """All words that a reader sees, those beside the running text (notes, headers, footers, text boxes) only where they are wanted."""
    kind = path.rsplit(".", 1)[1]
    if kind == "pdf":
        return run("pdftotext", path, "-").decode()
    if kind == "docx":
        parts = r"document|footnotes|endnotes|header\d*|footer\d*" if beside else "document"
        return xml_text(path, rf"word/({parts})\.xml", {"t"}, () if beside else ("txbxContent",))
    if kind == "pptx":
        return xml_text(path, r"ppt/slides/slide\d+\.xml|ppt/(charts|diagrams)/.*\.xml", {"t"})
    if kind == "odt":
        # Headers and footers are styles of pages.
        return xml_text(path, r"content\.xml|styles\.xml" if beside else r"content\.xml", None, () if beside else ("note", "text-box"))
    if kind == "odp":
        # Charts are documents within the document.
        return xml_text(path, r"(Object \d+/)?content\.xml", None)
    if kind == "html":
        return "".join(html_of(path).out)
    if kind == "md":
        return re.sub(r"\]\([^)]*\)|<[^>]+>|^\[[^]]+\]:.*$|[`*_#|]", " ", plain(path), flags=re.M)
    if kind == "txt":
        return plain(path)
    if kind == "rtf" or kind == "doc":
        # Not as text, which has no more than the running text.
        with tempfile.TemporaryDirectory() as folder:
            soffice("odt", [path], folder)
            return text(f"{folder}/{os.path.basename(path).rsplit('.', 1)[0]}.odt", beside)
    with tempfile.TemporaryDirectory() as folder:
        soffice("pdf", [path], folder)
        return text(f"{folder}/{os.path.basename(path).rsplit('.', 1)[0]}.pdf")


def words(text):
    # A word that is divided at the end of a line is one word; so is one with marks that are not seen.
    text = re.sub(r"[\u00ad\u200b\u200c\ufeff]|(?<=[a-z])[-\u2010\u2011]\s*\n\s*(?=[a-z])", "", unicodedata.normalize("NFKC", text))
    # Scripts that are written without spaces are counted by their characters.
    return Counter(re.findall(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+", text.casefold()))


def sheets(path):
    """The cells of each sheet, as they are shown."""
    if path.endswith(".csv"):
        return [Counter(cell for row in csv.reader(io.StringIO(plain(path))) for cell in row if cell.strip())]
    with tempfile.TemporaryDirectory() as folder:
        soffice(CELLS, [path], folder)
        found = sorted(os.listdir(folder))
        return [sheets(f"{folder}/{name}")[0] for name in found]


def recall(of, within):
    """The share of the words of one that are in the other, and those that are not."""
    missing = of - within
    return 1 - sum(missing.values()) / max(1, sum(of.values())), missing


def pages(path):
    """Pages, slides or sheets; None for what has none of its own."""
    kind = path.rsplit(".", 1)[1]
    if kind == "pdf":
        return int(re.search(rb"Pages:\s+(\d+)", run("pdfinfo", path)).group(1))
    if kind in ("pptx", "xlsx"):
        with zipfile.ZipFile(path) as archive:
            parts = {"pptx": r"ppt/slides/slide\d+\.xml", "xlsx": r"xl/worksheets/sheet\d+\.xml"}[kind]
            return sum(bool(re.fullmatch(parts, name)) for name in archive.namelist())
    if kind in ("odp", "ods"):
        wanted = {"odp": ("presentation", "page"), "ods": ("spreadsheet", "table")}[kind]
        with zipfile.ZipFile(path) as archive:
            content = tree.fromstring(archive.read("content.xml"))
        return sum(local(child) == wanted[1] for part in content.iter() if local(part) == wanted[0] for child in part)
    return None


def pictures(path):
    """How many different pictures a file holds; None where that cannot be told."""
    kind = path.rsplit(".", 1)[1]
    if kind == "pdf":
        rows = run("pdfimages", "-list", path).decode().splitlines()[2:]
        return len({tuple(row.split()[10:12]) for row in rows if row.split()[2] == "image"})
    if kind in ("docx", "pptx", "odt", "odp", "ods", "xlsx"):
        with zipfile.ZipFile(path) as archive:
            # Drawings are drawn, and are no pictures afterwards.
            drawings = (".emf", ".wmf", ".svm", ".svg")
            names = [name for name in archive.namelist() if re.match(r"(word|ppt|xl)/media/|Pictures/", name) and not name.endswith(drawings)]
            return len({archive.getinfo(name).CRC for name in names if archive.getinfo(name).file_size})
    if kind == "html":
        return html_of(path).images
    if kind == "rtf":
        return len(re.findall(r"\\pict\b", plain(path)))
    return None
