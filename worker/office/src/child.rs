//! The process: LibreOffice on a thread of its own, and the packets from the node.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use convertfly_sandbox::{Cancel, Confinement, Failure};
use serde_json::Value;

use crate::apart;
use crate::archive;
use crate::cells;
use crate::fonts;
use crate::job::{Done, Job, Text};
use crate::kit::{Kit, PROGRAM};
use crate::profile;
use crate::rtf;
use crate::shim::{self, Answer};
use crate::text;
use crate::twin::{self, Twin};

/// The jail's own folder in memory: profile, and the files of the document at hand.
const FOLDER: &str = "/tmp";

/// Stack of LibreOffice's thread, bytes: deeply nested documents recurse.
const STACK_BYTES: usize = 64 << 20;

/// Bytes that the result may grow to.
const MAX_RESULT: u64 = 1 << 30;

/// How long the twin may take for its share when this process has written its own, at the least.
const PATIENCE: Duration = Duration::from_secs(2);

/// Descriptors that LibreOffice may have open: its libraries and fonts are mapped, not held.
const OPEN_FILES: u64 = 256;

/// Bytes of address space: LibreOffice with a large document takes less than half of that.
const ADDRESS_SPACE: u64 = 4 << 30;

/// The address of a macro, and where its outcome goes.
type Errand = (String, SyncSender<Result<(), String>>);

/// What runs macros on LibreOffice's thread.
struct Office(Mutex<SyncSender<Errand>>);

impl Office {
    /// Starts LibreOffice; returns when it is ready for documents.
    fn start(program: PathBuf, profile: &Path) -> Result<Self, String> {
        let profile = format!("file://{}", profile.display());
        let (sender, errands) = sync_channel::<Errand>(0);
        let (ready, started) = sync_channel(1);
        let work = move || {
            let kit = match Kit::start(&program, &profile) {
                Ok(kit) => kit,
                Err(error) => return ready.send(Err(error)).unwrap_or_default(),
            };
            let _ = ready.send(Ok(()));
            for (call, reply) in errands {
                let outcome = kit.run_macro(&call);
                twin::leave();
                let _ = reply.send(outcome);
            }
        };
        thread::Builder::new()
            .name("office".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(work)
            .map_err(|error| error.to_string())?;
        started.recv().map_err(|_| "LibreOffice ended while it started".to_owned())??;
        Ok(Self(Mutex::new(sender)))
    }

    fn run(&self, call: String) -> Result<(), Failure> {
        let (reply, outcome) = sync_channel(1);
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender.send((call, reply)).map_err(|_| Failure::internal("LibreOffice's thread is gone"))?;
        outcome.recv().map_err(|_| Failure::internal("LibreOffice's thread ended"))?.map_err(Failure::internal)
    }
}

/// Starts LibreOffice, then converts for the node at the other end of standard input until it goes away.
pub fn serve() -> ExitCode {
    match start() {
        Ok(office) => {
            let handler = move |job: Value, files: Vec<File>, _: &Cancel| convert(&office, job, files);
            let confinement = Confinement {
                address_space: Some(ADDRESS_SPACE),
                file_size: MAX_RESULT,
                open_files: OPEN_FILES,
                gpu: false,
                devices: Vec::new(),
            };
            convertfly_sandbox::serve_in_jail(1, &confinement, Arc::new(handler))
        }
        Err(error) => {
            eprintln!("LibreOffice cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<Office, String> {
    twin::begin();
    fonts::look();
    let profile = Path::new(FOLDER).join("profile");
    profile::write(&profile).map_err(|error| format!("its profile cannot be written: {error}"))?;
    Office::start(PROGRAM.into(), &profile)
}

fn convert(office: &Office, job: Value, files: Vec<File>) -> Result<Value, Failure> {
    let mut job: Job = serde_json::from_value(job).map_err(Failure::internal)?;
    let mut files = files.into_iter();
    let (Some(input), Some(output)) = (files.next(), files.next()) else { return Err(Failure::internal("too few files")) };
    if job.archive {
        examine(&job, &input)?;
    }
    // A new folder for each document, gone when it is done, whatever LibreOffice leaves there.
    let folder = tempfile::tempdir_in(FOLDER).map_err(Failure::internal)?;
    let place = Place::within(folder.path(), &job);
    let options = write_source(&job, input, File::create_new(&place.source).map_err(Failure::internal)?)?;
    if let Some(options) = options {
        job.from.options = options;
    }
    let (said, twin, replaced_fonts) = run(office, &job, &place)?;
    let mut told = answer(&job, &said)?;
    let mut half = false;
    match (twin, files.next()) {
        (Some(twin), Some(second)) => {
            let patience = PATIENCE.max(Duration::from_millis(told.1 * 4));
            half = twin.wait(patience) && joins(&job, &place, second)?;
            if half {
                told.2 = vec![shim::levels(told.2.first().map_or("", String::as_str))];
            } else {
                eprintln!("the second process has not written its share: one writes all");
                job.stripe = None;
                let (said, _, _) = run(office, &job, &place)?;
                told = answer(&job, &said)?;
            }
        }
        (Some(_), None) => return Err(Failure::internal("there is no file for the other share")),
        (None, _) => {}
    }
    let (load_ms, store_ms, names) = told;
    let levels = if half { names.first().cloned().unwrap_or_default() } else { String::new() };
    let (bytes, sheets) = if job.sheets {
        copy_sheets(&place.result, names, output)?
    } else {
        (copy_result(&job, &place.result, output)?, Vec::new())
    };
    if bytes == 0 && sheets.is_empty() {
        return Err(Failure::unsupported("LibreOffice made an empty file of this one"));
    }
    serde_json::to_value(Done { load_ms, store_ms, bytes, sheets, replaced_fonts, half, levels }).map_err(Failure::internal)
}

/// Where everything of one document lies.
struct Place {
    source: PathBuf,
    result: PathBuf,
    answer: PathBuf,
    /// The folder that is made where the process may divide.
    divide: PathBuf,
}

impl Place {
    fn within(folder: &Path, job: &Job) -> Self {
        Self {
            source: folder.join("in").with_extension(&job.from.extension),
            result: folder.join("out").with_extension(&job.to.extension),
            answer: folder.join("answer"),
            divide: folder.join("divide"),
        }
    }

    /// What the twin writes in the place of one of these.
    fn of_twin(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(shim::SUFFIX);
        name.into()
    }
}

/// Runs the macro, and looks meanwhile whether pages can be written apart and which fonts are not here. Gives what the macro said, and the
/// twin of this process, if it has divided.
fn run(office: &Office, job: &Job, place: &Place) -> Result<(String, Option<Twin>, Vec<String>), Failure> {
    let (tell, may) = sync_channel(1);
    if job.stripe.is_some() {
        twin::prepare(&place.divide, may).map_err(Failure::internal)?;
    }
    let look = || {
        let apart = job.stripe.is_some() && File::open(&place.source).is_ok_and(|source| apart::can_be(job, &source));
        let _ = tell.send(apart);
        let draws = job.to.extension == "pdf" && job.archive;
        if draws { fonts::replaced(&place.source) } else { Vec::new() }
    };
    let (ran, fonts) = thread::scope(|scope| {
        let looking = scope.spawn(look);
        let ran = office.run(shim::call(job, &place.source, &place.result, &place.answer, &place.divide));
        (ran, looking.join().unwrap_or_default())
    });
    let twin = twin::take();
    ran?;
    let said = fs::read(&place.answer).map_err(|error| Failure::internal(format!("no answer from the macro: {error}")))?;
    Ok((String::from_utf8_lossy(&said).into_owned(), twin, fonts))
}

/// Milliseconds of loading and storing, and names; or why there is nothing.
fn answer(job: &Job, said: &str) -> Result<(u64, u64, Vec<String>), Failure> {
    match shim::read(said) {
        Some(Answer::Done(load, store, names)) => Ok((load, store, names)),
        Some(Answer::NotLoaded(reason)) => Err(not_loaded(job, &reason)),
        Some(Answer::NotStored(reason)) => Err(not_stored(&reason)),
        None => Err(Failure::internal(format!("the macro answered {said:?}"))),
    }
}

/// Puts the twin's share into its file, if there is one.
fn joins(job: &Job, place: &Place, second: File) -> Result<bool, Failure> {
    let said = fs::read(Place::of_twin(&place.answer)).unwrap_or_default();
    if answer(job, &String::from_utf8_lossy(&said)).is_err() {
        return Ok(false);
    }
    let share = File::open(Place::of_twin(&place.result)).map_err(Failure::internal)?;
    copy(share, second).map_err(|error| no_room(&error))?;
    Ok(true)
}

/// The file whose name begins and ends as that of the result: where a sheet was chosen LibreOffice puts its name between.
fn written(result: &Path, number: &str) -> Option<File> {
    let (stem, extension) = (result.file_stem()?.to_str()?, result.extension()?.to_str()?);
    let end = format!(".{extension}{number}");
    let is_it = |name: &str| name.starts_with(stem) && name.ends_with(&end);
    let names = fs::read_dir(result.parent()?).ok()?.flatten();
    let found =
        names.map(|entry| entry.path()).find(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_it))?;
    File::open(found).ok()
}

fn copy_result(job: &Job, result: &Path, mut output: File) -> Result<u64, Failure> {
    let made = File::open(result).ok().or_else(|| written(result, ""));
    let made = made.ok_or_else(|| Failure::unsupported("LibreOffice made nothing of this file"))?;
    if job.to.extension == "rtf" {
        let file = fs::read(result).unwrap_or_default();
        if let Some(mended) = rtf::mend(&file) {
            output.rewind().and_then(|()| output.write_all(&mended)).map_err(|error| no_room(&error))?;
            return Ok(mended.len() as u64);
        }
    }
    copy(made, output).map_err(|error| no_room(&error))
}

/// Puts the files of the sheets, which are numbered from 1, one behind the other.
fn copy_sheets(result: &Path, names: Vec<String>, mut output: File) -> Result<(u64, Vec<(String, u64)>), Failure> {
    output.rewind().map_err(Failure::internal)?;
    let (mut total, mut sheets) = (0, Vec::with_capacity(names.len()));
    for (number, name) in (1..).zip(names) {
        let sheet = written(result, &number.to_string());
        let mut sheet = sheet.ok_or_else(|| Failure::unsupported("LibreOffice left out a sheet of this file"))?;
        let bytes = io::copy(&mut sheet, &mut output).map_err(|error| no_room(&error))?;
        total += bytes;
        sheets.push((name, bytes));
    }
    Ok((total, sheets))
}

/// Looks through an archive. One that is encrypted is none (it is a compound file that holds one): it needs its password.
fn examine(job: &Job, input: &File) -> Result<(), Failure> {
    const ENCRYPTED: &[u8] = b"\xd0\xcf\x11\xe0";
    let mut head = [0; 4];
    let encrypted = input.read_exact_at(&mut head, 0).is_ok() && head == ENCRYPTED;
    match (encrypted, job.password.is_empty()) {
        (false, _) => archive::check(input, &job.title),
        (true, false) => Ok(()),
        (true, true) => Err(Failure::invalid_field(
            "password",
            format!("The {} file is protected by a password. Give it in options.password", job.title),
        )),
    }
}

/// Writes the document where LibreOffice reads it: text as UTF-8, cells in one certain form. Gives the filter's options where they follow
/// from the content.
fn write_source(job: &Job, mut input: File, mut source: File) -> Result<Option<String>, Failure> {
    let Some(kind) = job.text else {
        copy(input, source).map_err(|error| no_room(&error))?;
        return Ok(None);
    };
    input.rewind().map_err(Failure::internal)?;
    let decoded = text::read(&input, &job.title)?;
    let (text, options) = match kind {
        Text::Plain => (decoded, None),
        Text::Cells { delimiter, numbers } => {
            let cells = cells::normal(&decoded, delimiter, numbers)?;
            (cells.text, Some(cells.options))
        }
    };
    source.write_all(text.as_bytes()).map_err(|error| no_room(&error))?;
    Ok(options)
}

fn copy(mut from: File, mut to: File) -> io::Result<u64> {
    from.rewind()?;
    to.rewind()?;
    io::copy(&mut from, &mut to)
}

/// The jail's memory or the limit on a file's size has run out.
fn no_room(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => {
            Failure::too_large(format!("The document or what it becomes has more than {MAX_RESULT} bytes"))
        }
        _ => Failure::internal(error),
    }
}

fn not_loaded(job: &Job, reason: &str) -> Failure {
    let Job { title, password, .. } = job;
    // The reason quotes addresses inside the jail: it is for the log.
    eprintln!("not loaded: {}", reason.lines().next().unwrap_or_default());
    if password.is_empty() {
        Failure::invalid(format!(
            "The {title} file cannot be opened: it is damaged, no {title} file, or protected by a password. Check that it opens \
             elsewhere; if it needs a password, give it in options.password"
        ))
    } else {
        Failure::invalid_field("password", format!("The {title} file cannot be opened: it is damaged, or the password is wrong"))
    }
}

fn not_stored(reason: &str) -> Failure {
    let first = reason.lines().find(|line| line.contains("failed:")).or(reason.lines().next()).unwrap_or_default();
    eprintln!("not stored: {first}");
    // sfx2 and the filters report a file that grew too large as an error of writing (ERRCODE_IO_CANTWRITE, ERRCODE_IO_OUTOFSPACE).
    if ["0xc10", "0x70c", "Class:Write"].iter().any(|mark| reason.contains(mark)) {
        return Failure::invalid(
            "The document could be opened, but not written in that format: it may be empty, or grow too large",
        );
    }
    Failure::unsupported("The document could be opened, but not written in that format")
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_file_of_a_sheet_is_found_by_its_number() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in
            [("in.csv1", "source"), ("out-A.csv1", "first"), ("out-x.csv1.csv11", "eleventh"), ("out-B.csv", "one")]
        {
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let read = |number: &str| {
            let mut text = String::new();
            written(&folder.path().join("out.csv"), number)?.read_to_string(&mut text).expect("it is read");
            Some(text)
        };
        assert_eq!(read("1").as_deref(), Some("first"));
        assert_eq!(read("11").as_deref(), Some("eleventh"));
        assert_eq!(read("").as_deref(), Some("one"), "a sheet that was asked for has no number");
        assert_eq!(read("2"), None);
    }
}
