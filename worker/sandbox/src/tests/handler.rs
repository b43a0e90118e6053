//! What the children of these tests do: honest work, crimes, and the ways to die.

use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::escape;
use crate::Cancel;
use crate::Failure;

pub(super) fn job(what: &str) -> Value {
    json!({ "do": what })
}

pub(super) fn handle(job: Value, mut files: Vec<File>, cancel: &Cancel) -> Result<Value, Failure> {
    let what = job.get("do").and_then(Value::as_str).unwrap_or_default();
    match (what, files.as_mut_slice()) {
        ("count", files) => Ok(json!(files.len())),
        (_, [input, output]) => match what {
            "echo" => echo(input, output),
            "tell" => {
                [0.25, f64::NAN, 0.5, 2.0].into_iter().for_each(|share| crate::progress().report(share));
                Ok(json!(true))
            }
            "hold" => hold(input, output, cancel),
            "spin" => spin(output),
            "grow" => {
                // Never freed, as a leak is not.
                std::mem::forget(black_box(vec![1_u8; 128 << 20]));
                Ok(Value::Null)
            }
            "ordinary" => ordinary(input, output),
            "fill" => fill(output),
            "open" => Ok(open(&job)),
            "escape" => Ok(escape::attempt_all(&job)),
            "write input" => Ok(json!(input.write_all(b"x").is_err())),
            other => end(other),
        },
        _ => Err(Failure::internal("two files are expected")),
    }
}

fn io(error: std::io::Error) -> Failure {
    Failure::internal(error)
}

fn echo(input: &mut File, output: &mut File) -> Result<Value, Failure> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(io)?;
    output.write_all(&bytes).map_err(io)?;
    Ok(json!({ "bytes": bytes.len() }))
}

/// Says that it has started, then waits for its input to have bytes.
fn hold(input: &mut File, output: &mut File, cancel: &Cancel) -> Result<Value, Failure> {
    output.write_all(b"started ").map_err(io)?;
    while input.metadata().map_err(io)?.len() == 0 {
        cancel.check()?;
        std::thread::sleep(Duration::from_millis(1));
    }
    echo(input, output)
}

fn spin(output: &mut File) -> ! {
    let _ = output.write_all(b"started ");
    loop {
        std::hint::spin_loop();
    }
}

/// What decoders, thread pools and the standard library do all day.
fn ordinary(input: &mut File, output: &mut File) -> Result<Value, Failure> {
    let start = Instant::now();
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(io)?;
    let seen: HashMap<_, _> = text.chars().zip(0..).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().map_err(Failure::internal)?;
    let sum: u64 = pool.install(|| {
        use rayon::prelude::*;
        (0..10_000_u64).into_par_iter().sum()
    });
    // SAFETY: nobody shortens the file while it is mapped.
    let mapped = unsafe { memmap2::Mmap::map(&*input) }.map_err(io)?;
    let same = mapped[..] == *text.as_bytes();
    let large = vec![1_u8; 64 << 20];
    output.set_len(100).map_err(io)?;
    output.rewind().map_err(io)?;
    std::io::copy(input, output).map_err(io)?;
    output.write_all(&large[..10]).map_err(io)?;
    output.sync_all().map_err(io)?;
    let size = output.metadata().map_err(io)?.len();
    let again = output.try_clone().map_err(io)?.metadata().map_err(io)?.len();
    std::thread::sleep(Duration::from_millis(1));
    Ok(json!({ "seen": seen.len(), "same": same, "sum": sum, "size": size, "again": again, "late": start.elapsed().is_zero() }))
}

/// Opens files for reading and writing; the answer lists the error numbers, null for one that got through.
fn open(job: &Value) -> Value {
    let paths = job["paths"].as_array().into_iter().flatten().filter_map(Value::as_str);
    paths
        .map(|path| json!(File::options().read(true).write(true).open(path).err().and_then(|error| error.raw_os_error())))
        .collect()
}

/// Writes until that fails; says how far it came and why it ended.
fn fill(output: &mut File) -> Result<Value, Failure> {
    let chunk = [7; 64 << 10];
    loop {
        if let Err(error) = output.write_all(&chunk) {
            return Ok(json!({ "errno": error.raw_os_error(), "size": output.metadata().map_err(io)?.len() }));
        }
    }
}

/// Ways to die, and to lie on the control socket.
fn end(how: &str) -> Result<Value, Failure> {
    match how {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        "bad pointer" => {
            // SAFETY: there is none. Address 8 is never mapped (vm.mmap_min_addr) and the fault is the purpose.
            let value = unsafe { std::ptr::read_volatile(std::ptr::without_provenance::<u8>(8)) };
            Ok(json!(value))
        }
        "stack overflow" => Ok(json!(recurse(0))),
        "all memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 16 << 20]);
                black_box(&hoard);
            }
        }
        "panic" => panic!("the customer's secret"),
        "long answer" => Ok(json!("x".repeat(1 << 20))),
        "garbage" => {
            say(b"\xffnot json");
            std::thread::park();
            Ok(Value::Null)
        }
        "answer for another" => {
            say(br#"{"done":{"id":999999,"result":{"Ok":null}}}"#);
            std::thread::park();
            Ok(Value::Null)
        }
        other => Err(Failure::invalid(format!("nothing is called {other:?}"))),
    }
}

fn say(bytes: &[u8]) {
    let _ = super::super::wire::send(std::io::stdin().as_fd(), bytes, &[]);
}

#[expect(unconditional_recursion, reason = "to exhaust the stack is the purpose")]
fn recurse(depth: u64) -> u64 {
    let local = black_box([depth; 64]);
    recurse(depth + 1) + black_box(local)[0]
}
