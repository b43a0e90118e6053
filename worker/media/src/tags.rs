//! Tags of files, streams and chapters. They are whatever stands in the file: the wrapper around FFmpeg takes them for UTF-8 without a look, so that they
//! are read here, and what is none is replaced.

use std::ffi::{CStr, CString};
use std::ptr;

use ffmpeg_next::{DictionaryRef, ffi};

/// All of them, in their order.
pub(crate) fn all(tags: &DictionaryRef<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut entry: *mut ffi::AVDictionaryEntry = ptr::null_mut();
    // SAFETY: the dictionary is borrowed and not changed meanwhile, so that each entry stays where it is; FFmpeg's entries have a name and a value
    // that end with a NUL, and the empty name with that flag goes through all of them.
    unsafe {
        loop {
            entry = ffi::av_dict_get(tags.as_ptr(), c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX);
            if entry.is_null() {
                return found;
            }
            let text = |bytes| CStr::from_ptr(bytes).to_string_lossy().into_owned();
            found.push((text((*entry).key), text((*entry).value)));
        }
    }
}

/// The one of that name, in whatever case.
pub(crate) fn one(tags: &DictionaryRef<'_>, name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: as in `all`; an entry that is found is read before anything else happens to the dictionary.
    unsafe {
        let entry = ffi::av_dict_get(tags.as_ptr(), name.as_ptr(), ptr::null_mut(), 0);
        if entry.is_null() { None } else { Some(CStr::from_ptr((*entry).value).to_string_lossy().into_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf_8_is_replaced() {
        let mut raw = ptr::null_mut();
        // SAFETY: the dictionary is made, read and freed here; names and values end with a NUL and are copied.
        unsafe {
            for (name, value) in [(c"Title", c"caf\xe9"), (c"language", c"un\xff"), (c"artist", c"B\xc3\xa9la")] {
                assert!(ffi::av_dict_set(&raw mut raw, name.as_ptr(), value.as_ptr(), 0) >= 0, "set");
            }
            let tags = DictionaryRef::wrap(raw);
            let found = all(&tags);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, [("Title", "caf\u{fffd}"), ("language", "un\u{fffd}"), ("artist", "Béla")], "all of them");
            assert_eq!(one(&tags, "title").as_deref(), Some("caf\u{fffd}"), "in whatever case");
            assert_eq!(one(&tags, "album"), None, "what is not there");
            ffi::av_dict_free(&raw mut raw);
        }
    }
}
