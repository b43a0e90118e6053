//! `convert`: the engines without server or Redis.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use convertfly_scheduler::catalog::{Catalog, OptionKind};
use convertfly_worker::engines::image::Runner;
use convertfly_worker::engines::media::{MediaConfig, MediaEngine};
use convertfly_worker::engines::office::Offices;
use convertfly_worker::engines::route::Router;
use convertfly_worker::engines::{self, Action, Growth, Progress, Work, convert_options};
use convertfly_worker::failure::Failure;
use convertfly_worker::formats::{self, Cancel, Format};
use convertfly_worker::pixels::Processor;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use crate::config::Config;
use crate::routes;

/// Arguments of `convert`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Files or patterns such as 'photos/*.jpg', then the output: a file, or a folder for several.
    #[arg(required = true, num_args = 2.., value_name = "INPUT... OUTPUT")]
    paths: Vec<String>,
    /// An option of `convert`, such as width=800; may be repeated.
    #[arg(short = 'o', long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
    /// Format to convert to; default: by the output's name, or each file's own where the output is a folder.
    #[arg(long, value_name = "FORMAT")]
    to: Option<String>,
    /// Replace files that exist.
    #[arg(long)]
    overwrite: bool,
}

/// One file to convert.
struct Item {
    input: PathBuf,
    output: PathBuf,
    target: &'static Format,
}

/// Pixel work as the environment says; what was measured counts here, too, where the data folder holds it.
fn processor(data: Option<&Path>) -> anyhow::Result<Processor> {
    let table = routes::default_path(data.unwrap_or(&Config::default().data));
    let processor = Processor::from_env();
    let processor = if std::env::var_os("CONVERTFLY_ROUTES").is_none() && table.exists() {
        processor.and_then(|processor| processor.with_routes(&table))
    } else {
        processor
    };
    // What a setting is wrong with says so itself; nothing inside is broken.
    processor.map_err(|failure| match failure {
        Failure::Internal { cause } => anyhow::anyhow!(cause),
        other => anyhow::anyhow!("{other}"),
    })
}

/// Converts every input; one that fails is named and does not stop the others.
pub(crate) fn run(arguments: &Arguments, data: Option<&Path>) -> anyhow::Result<ExitCode> {
    let options = read_options(&arguments.options)?;
    let items = plan(arguments)?;
    let processor = processor(data)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = cores.min(items.len());
    let runner = Runner::InProcess(Arc::new(processor));
    let media = MediaConfig { children: threads, threads: cores, ..MediaConfig::default() };
    let media = MediaEngine::new(media, runner.clone());
    let growth = Growth::default();
    let router = Router::new(engines::all(&runner, &Offices::new(cores, growth.clone()), growth, Arc::new(media), cores));
    let bar = progress_bar(items.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = convert_one(item, &options, &router, &runtime, arguments.overwrite) {
                        failed.fetch_add(1, Ordering::Relaxed);
                        bar.suspend(|| eprintln!("{}: {error:#}", item.input.display()));
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let failed = failed.into_inner();
    if items.len() > 1 {
        eprintln!("{} converted, {failed} failed", items.len() - failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A bar that shows itself only where the work takes longer than a glance.
fn progress_bar(count: usize) -> ProgressBar {
    if count < 2 {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:32} {pos}/{len} files, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(count as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// `NAME=VALUE` pairs as the JSON that the API would get, checked against the same entries.
fn read_options(texts: &[String]) -> anyhow::Result<Map<String, Value>> {
    let entries = convert_options();
    let mut options = Map::new();
    for text in texts {
        let (name, value) =
            text.split_once('=').with_context(|| format!("-o {text}: write it as NAME=VALUE, for example -o width=800"))?;
        let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
            let known = entries.iter().map(|entry| entry.name.as_str());
            match Catalog::did_you_mean(name, known.clone()) {
                Some(meant) => bail!("-o {name}: there is no such option; did you mean `{meant}`?"),
                None => bail!("-o {name}: there is no such option; known are {}", known.collect::<Vec<_>>().join(", ")),
            }
        };
        let value = match entry.kind {
            OptionKind::Integer { .. } | OptionKind::IntegerOrWord { .. } | OptionKind::OneOfIntegers { .. } => {
                value.parse::<i64>().map_or_else(|_| Value::from(value), Value::from)
            }
            OptionKind::Number { .. } => value.parse::<f64>().map_or_else(|_| Value::from(value), Value::from),
            OptionKind::Boolean => value.parse::<bool>().map_or_else(|_| Value::from(value), Value::from),
            _ => Value::from(value),
        };
        entry.kind.check(&value).map_err(|reason| anyhow::anyhow!("-o {name}: {reason}"))?;
        options.insert(name.to_owned(), value);
    }
    Ok(options)
}

/// Expands patterns and decides each output's name.
fn plan(arguments: &Arguments) -> anyhow::Result<Vec<Item>> {
    let Some((output, patterns)) = arguments.paths.split_last() else { bail!("an input and an output are needed") };
    let mut inputs = Vec::new();
    for pattern in patterns {
        // A name that exists is meant as it stands, whatever characters it has.
        if Path::new(pattern).is_file() {
            inputs.push(PathBuf::from(pattern));
            continue;
        }
        let found: Vec<PathBuf> = glob::glob(pattern)
            .with_context(|| format!("{pattern} is not a valid pattern"))?
            .filter_map(Result::ok)
            .filter(|path| path.is_file())
            .collect();
        if found.is_empty() {
            bail!("{pattern}: there is no such file");
        }
        inputs.extend(found);
    }
    let folder = output.ends_with('/') || Path::new(output).is_dir() || inputs.len() > 1;
    let targets = || Catalog::builtin().pairs.iter().map(|pair| pair.to.as_str());
    let named = |name: &str| formats::by_name(name).filter(|format| targets().any(|target| target == format.name));
    if !folder {
        let extension = Path::new(output).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let name = arguments.to.as_deref().unwrap_or(extension);
        let target = named(name)
            .with_context(|| format!("{output}: `{name}` is not a format that can be written; see `convertfly formats`"))?;
        return Ok(inputs.into_iter().map(|input| Item { input, output: output.into(), target }).collect());
    }
    std::fs::create_dir_all(output).with_context(|| format!("cannot make the folder {output}"))?;
    let mut items: Vec<Item> = Vec::with_capacity(inputs.len());
    for input in inputs {
        // Without --to each file keeps its format: `-o width=320` into a folder makes thumbnails.
        let extension = input.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let name = arguments.to.as_deref().unwrap_or(extension);
        let target = named(name).with_context(|| {
            format!("{}: `{name}` is not a format that can be written; say one with --to, for example --to webp", input.display())
        })?;
        let extension = target.extensions.first().copied().unwrap_or(target.name);
        let output = Path::new(output).join(Path::new(input.file_stem().unwrap_or_default()).with_extension(extension));
        items.push(Item { input, output, target });
    }
    for (i, item) in items.iter().enumerate() {
        if let Some(other) = items[..i].iter().find(|other| other.output == item.output) {
            bail!(
                "{} and {} would both become {}; convert them apart",
                other.input.display(),
                item.input.display(),
                item.output.display()
            );
        }
    }
    Ok(items)
}

/// Converts one file: into a temporary name first, so that a failure leaves nothing half written.
fn convert_one(
    item: &Item,
    options: &Map<String, Value>,
    router: &Router,
    runtime: &tokio::runtime::Runtime,
    overwrite: bool,
) -> anyhow::Result<()> {
    if item.output.exists() && !overwrite {
        bail!("{} exists; use --overwrite to replace it", item.output.display());
    }
    let input = File::open(&item.input)?;
    let by_name = item.input.extension().and_then(|extension| formats::by_name(extension.to_str()?));
    let format = formats::sniff_file(&input)?.or(by_name).context("the format was not recognised")?;
    // The router would find ways that nobody wants: a picture to a document by way of its text.
    if Catalog::builtin().pair(format.name, item.target.name).is_none() {
        bail!("there is no conversion from {} to {}; see `convertfly formats`", format.name, item.target.name);
    }
    let folder = item.output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let scratch = tempfile::Builder::new().prefix(".convertfly-").tempdir_in(folder)?;
    let temporary = tempfile::NamedTempFile::new_in(scratch.path())?;
    let work = Work {
        action: Action::Convert,
        beside: Vec::new(),
        from: format.name.to_owned(),
        to: item.target.name.to_owned(),
        glance: None,
        input,
        output: temporary.reopen()?,
        options: options.clone(),
        test: false,
        share: None,
        scratch: scratch.path().to_owned(),
        progress: Progress::default(),
        cancel: Cancel::new(),
        deadline: Duration::from_hours(1),
    };
    let made = runtime.block_on(router.convert(work)).map_err(|failure| match failure {
        Failure::Internal { cause } => anyhow::anyhow!("internal error: {cause}"),
        failure => anyhow::anyhow!("{failure}"),
    })?;
    for warning in &made.warnings {
        eprintln!("{}: {warning}", item.input.display());
    }
    let count = made.more.len() + 1;
    let results = std::iter::once((temporary.path(), made.name.as_deref()))
        .chain(made.more.iter().map(|piece| (piece.path.as_path(), piece.name.as_deref())));
    for (index, (path, name)) in results.enumerate() {
        let output = result_path(&item.output, index, count, name);
        if count > 1 && output.exists() && !overwrite {
            bail!("{} exists; use --overwrite to replace it", output.display());
        }
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        std::fs::rename(path, output)?;
    }
    Ok(())
}

/// Where result `index` of `count` goes: the output itself, or beside it with its name or number.
fn result_path(output: &Path, index: usize, count: usize, name: Option<&str>) -> PathBuf {
    if count == 1 {
        return output.to_owned();
    }
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    let suffix = name.map_or_else(|| (index + 1).to_string(), |name| name.replace('/', "_"));
    let extension = output.extension().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-{suffix}.{extension}"))
}
