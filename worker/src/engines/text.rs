//! The text engine: the words of PDF files, plain or as HTML (pdftotext and pdftohtml of poppler, in the jail).

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use convertfly_scheduler::catalog::Lane;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::pdf::options::PdfOptions;
use super::{Availability, Edge, Engine, Made, Work, price};
use crate::failure::Failure;
use crate::jail::{self, Jail};
use crate::options::Options;

/// The name of the engine.
pub(crate) const ID: &str = "text";

/// The programs and their arguments, by the format that they make. They read standard input, which for one of them needs a name.
const TOOLS: [(&str, &str, &[&str]); 2] = [
    ("txt", "/usr/bin/pdftotext", &["-enc", "UTF-8", "-eol", "unix", "fd://0", "-"]),
    ("html", "/usr/bin/pdftohtml", &["-q", "-s", "-i", "-noframes", "-stdout", "/proc/self/fd/0"]),
];

/// Bytes of memory for temporary files, of which it makes none.
const FILES: u64 = 16 << 20;

/// Bytes of a message of its that are read.
const MESSAGE: u64 = 4096;

/// See the module.
pub struct TextEngine {
    /// Selects pages of a PDF file.
    pdf: std::sync::Arc<dyn Engine>,
}

impl TextEngine {
    /// An engine that takes pages by `pdf`, which converts from PDF to PDF.
    pub fn new(pdf: std::sync::Arc<dyn Engine>) -> Self {
        Self { pdf }
    }

    async fn run(&self, work: Work) -> Result<Made, Failure> {
        let options = PdfOptions::read(&work.options)?;
        let mut input = work.input.try_clone().map_err(Failure::internal)?;
        let output = work.output.try_clone().map_err(Failure::internal)?;
        let (cancel, deadline, to) = (work.cancel.clone(), work.deadline, work.to.clone());
        // Selecting pages decrypts as well, and gives the errors that all of PDF has.
        if options.pages.is_some() || options.password.is_some() {
            let chosen = tempfile::tempfile_in(&work.scratch).map_err(Failure::internal)?;
            let target = chosen.try_clone().map_err(Failure::internal)?;
            self.pdf.convert(Work { to: "pdf".to_owned(), output: target, test: false, ..work }).await?;
            input = chosen;
        }
        tokio::select! {
            made = extract(input, output, &to) => made,
            () = tokio::time::sleep(deadline) => Err(Failure::TimedOut),
            () = cancel.cancelled() => Err(Failure::Cancelled),
        }
    }
}

/// Reads the file at its standard input and writes the text to its standard output: both are the very files.
async fn extract(mut input: std::fs::File, output: std::fs::File, to: &str) -> Result<Made, Failure> {
    use std::io::Seek;
    let start = std::time::Instant::now();
    let jail = Jail::find().map_err(Failure::internal)?;
    input.rewind().map_err(Failure::internal)?;
    let written = output.try_clone().map_err(Failure::internal)?;
    let bytes_in = input.metadata().map_err(Failure::internal)?.len();
    let tool = TOOLS.iter().find(|(format, ..)| *format == to);
    let (_, program, arguments) = tool.ok_or_else(|| Failure::unsupported(format!("Text of PDF files is not given as {to}")))?;
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let mut command = Command::new(jail.program());
    command
        .args(jail.arguments(FILES, &[], &[], Path::new(program), &arguments))
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = convertfly_sandbox::spawn(command).await.map_err(Failure::internal)?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut stderr = stderr.take(MESSAGE);
        let _ = tokio::time::timeout(Duration::from_secs(3_600), stderr.read_to_end(&mut said)).await;
    }
    let status = child.wait().await.map_err(Failure::internal)?;
    let said = String::from_utf8_lossy(&said);
    // Its codes: 1 the file cannot be opened, 3 permissions, 99 anything else (pdftotext(1)).
    match status.code() {
        Some(0) => {}
        Some(_) if said.contains("Incorrect password") => {
            let reason = "The PDF file is protected by a password. Give it in options.password";
            return Err(Failure::invalid_field("password", reason));
        }
        Some(1 | 3) => return Err(Failure::invalid("The PDF file is damaged, or its text may not be taken out of it")),
        _ => return Err(Failure::Crashed { cause: format!("{program}: {status}: {}", said.lines().next().unwrap_or_default()) }),
    }
    let bytes_out = written.metadata().map_err(Failure::internal)?.len();
    let mut made = Made::default();
    if to == "html" {
        tidy(&written).map_err(Failure::internal)?;
        made.warnings.push("Pictures are left out".to_owned());
    }
    if bytes_out < 2 {
        made.warnings.push("The file holds no text: its pages may be pictures".to_owned());
    }
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    made.explain = Map::from_iter([
        ("engine".to_owned(), Value::from(ID)),
        ("bytes_in".to_owned(), bytes_in.into()),
        ("bytes_out".to_owned(), bytes_out.into()),
        ("ms".to_owned(), serde_json::json!({ "text": ms })),
    ]);
    Ok(made)
}

/// What pdftohtml writes at the head of a page and nobody wants, and what stands there instead, each as long: the name under which it knew the
/// file, where the file has no title, and a grey ground.
const HEAD: [(&[u8], &[u8]); 2] =
    [(b"<title>/proc/self/fd/0</title>", b"<title></title>               "), (b"bgcolor=\"#A0A0A0\"", b"bgcolor=\"#FFFFFF\"")];

/// Changes the head where it stands.
fn tidy(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut head = vec![0; 8192];
    let length = file.read_at(&mut head, 0)?;
    head.truncate(length);
    for (unwanted, instead) in HEAD {
        if let Some(at) = head.windows(unwanted.len()).position(|bytes| bytes == unwanted) {
            file.write_all_at(instead, at as u64)?;
        }
    }
    Ok(())
}

/// Whether there is one.
pub fn probe() -> Availability {
    let missing = |what: &str| Availability::Missing { what: what.to_owned(), remedy: jail::REMEDY.to_owned() };
    if TOOLS.iter().any(|(_, program, _)| !Path::new(program).exists()) {
        return missing("pdftotext and pdftohtml (poppler-utils) are not installed");
    }
    match Jail::find() {
        Ok(_) => Availability::Ready("poppler in bubblewrap".to_owned()),
        Err(why) => missing(why),
    }
}

/// PDF to text and HTML.
pub(crate) fn edges() -> Vec<Edge> {
    TOOLS.map(|(to, ..)| Edge { from: "pdf", to, cost: 10, credits: price::of("pdf", to), lane: Lane::Cpu }).to_vec()
}

impl Engine for TextEngine {
    fn id(&self) -> &'static str {
        ID
    }

    fn edges(&self) -> Vec<Edge> {
        edges()
    }

    fn probe(&self) -> Availability {
        probe()
    }

    fn convert(&self, work: Work) -> BoxFuture<'_, Result<Made, Failure>> {
        self.run(work).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_head_of_a_page_says_nothing_of_this_machine() {
        let mut file = tempfile::tempfile().expect("a file");
        let page = "<head>\n<title>/proc/self/fd/0</title>\n</head>\n<body bgcolor=\"#A0A0A0\" link=\"blue\">#A0A0A0</body>";
        file.write_all(page.as_bytes()).expect("its bytes");
        tidy(&file).expect("it is changed");
        let mut found = String::new();
        std::io::Seek::rewind(&mut file).and_then(|()| std::io::Read::read_to_string(&mut file, &mut found)).expect("it is read");
        let words: Vec<_> = found.split_whitespace().collect();
        let expected = "<head> <title></title> </head> <body bgcolor=\"#FFFFFF\" link=\"blue\">#A0A0A0</body>";
        assert_eq!(words.join(" "), expected, "{found}");
        assert_eq!(found.len(), page.len(), "nothing moves");
    }
}
