//! FFmpeg's own log: kept for the reason of a refusal, printed only where an operator asked for it.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use ffmpeg_next::ffi;

/// Lines that are kept.
const LINES: usize = 16;

/// Bytes of a line that are kept.
const LINE_BYTES: usize = 512;

static KEPT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

#[cfg(target_arch = "x86_64")]
type Arguments = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type Arguments = ffi::va_list;

/// Keeps errors instead of printing them. They may quote a customer's file, so they are never shown to others than its owner, and
/// the reasons of encoders are taken while no file is open.
pub(crate) fn keep_errors() {
    // SAFETY: both are documented as safe to call at any time; the callback is a function without captures and may be called from any
    // thread.
    unsafe {
        ffi::av_log_set_level(ffi::AV_LOG_ERROR);
        ffi::av_log_set_callback(Some(keep));
    }
}

unsafe extern "C" fn keep(context: *mut c_void, level: c_int, format: *const c_char, arguments: Arguments) {
    if level > ffi::AV_LOG_ERROR {
        return;
    }
    let mut line = [0 as c_char; LINE_BYTES];
    let mut print_prefix = 1;
    // SAFETY: `context`, `format` and `arguments` are those of av_log, passed on once; the buffer has the length that is said, and the
    // function ends what it writes with a NUL.
    let text = unsafe {
        ffi::av_log_format_line2(context, level, format, arguments, line.as_mut_ptr(), LINE_BYTES as c_int, &mut print_prefix);
        CStr::from_ptr(line.as_ptr())
    };
    let text = text.to_string_lossy();
    // `[h264_nvenc @ 0x55d0…] Cannot load libcuda.so.1`: the address says nothing to anybody.
    let text = text.split_once("] ").map_or(text.as_ref(), |(_, rest)| rest).trim();
    if text.is_empty() {
        return;
    }
    // The condition of FFmpeg's own that did not hold: the process ends with it, and the operator's log is the only place left.
    if level <= ffi::AV_LOG_PANIC {
        eprintln!("{text}");
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() == LINES {
        kept.pop_front();
    }
    kept.push_back(text.to_owned());
}

/// Takes what was kept, the oldest first.
pub(crate) fn take() -> Vec<String> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}
