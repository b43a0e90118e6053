//! LibreOfficeKit, as far as it is used: start, run a macro, last error.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use libloading::{Library, Symbol};

/// Where Debian and its derivatives keep LibreOffice.
pub const PROGRAM: &str = "/usr/lib/libreoffice/program";

/// The library that is loaded, within [`PROGRAM`].
pub const LIBRARY: &str = "libmergedlo.so";

/// `LibreOfficeKit` of LibreOfficeKit.h: an object with a table of functions.
#[repr(C)]
struct Object {
    class: *const Class,
}

/// The head of `LibreOfficeKitClass`. Its layout is stable: functions are only ever added at its end, and `size` tells how many bytes
/// there are.
#[repr(C)]
struct Class {
    size: usize,
    destroy: *const c_void,
    document_load: *const c_void,
    get_error: Option<unsafe extern "C" fn(*mut Object) -> *mut c_char>,
    document_load_with_options: *const c_void,
    free_error: Option<unsafe extern "C" fn(*mut c_char)>,
    register_callback: *const c_void,
    get_filter_types: *const c_void,
    set_optional_features: *const c_void,
    set_document_password: *const c_void,
    get_version_info: *const c_void,
    run_macro: Option<unsafe extern "C" fn(*mut Object, *const c_char) -> c_int>,
}

type Hook = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut Object;

/// LibreOffice, started in this process. There can be one a process, and it stays on the thread that started it.
pub(crate) struct Kit {
    object: *mut Object,
    /// Never unloaded: its threads and destructors do not survive that.
    _library: std::mem::ManuallyDrop<Library>,
}

impl Kit {
    /// Loads and starts LibreOffice from `program` with the user profile at `profile_url`.
    pub(crate) fn start(program: &Path, profile_url: &str) -> Result<Self, String> {
        let path = program.join(LIBRARY);
        let program = CString::new(program.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
        let profile = CString::new(profile_url).map_err(|error| error.to_string())?;
        // SAFETY: the library is LibreOffice's own; its initialisers run once, here, on the thread that will use it.
        let library = unsafe { Library::new(&path) }.map_err(|error| format!("{}: {error}", path.display()))?;
        let object = {
            // SAFETY: the type is that of `libreofficekit_hook_2` in LibreOfficeKitInit.h.
            let hook: Symbol<'_, Hook> = unsafe { library.get(b"libreofficekit_hook_2\0") }.map_err(|error| error.to_string())?;
            // SAFETY: both arguments are texts that end in NUL and outlive the call.
            unsafe { hook(program.as_ptr(), profile.as_ptr()) }
        };
        let kit = Self { object, _library: std::mem::ManuallyDrop::new(library) };
        match kit.class() {
            Some(class) if class.size >= size_of::<Class>() && class.run_macro.is_some() => Ok(kit),
            Some(class) => Err(format!("LibreOfficeKit offers {} bytes of functions, too few to run macros", class.size)),
            None => Err("LibreOffice did not start".to_owned()),
        }
    }

    fn class(&self) -> Option<&Class> {
        // SAFETY: the hook gives NULL or an object that lives, with its class, until the process ends.
        unsafe { self.object.as_ref().and_then(|object| object.class.as_ref()) }
    }

    /// Runs `macro:///…` and returns when it is done.
    pub(crate) fn run_macro(&self, url: &str) -> Result<(), String> {
        let url = CString::new(url).map_err(|error| error.to_string())?;
        let run = self.class().and_then(|class| class.run_macro).ok_or("LibreOffice runs no macros")?;
        // SAFETY: the object is alive and the text ends in NUL and outlives the call.
        let succeeded = unsafe { run(self.object, url.as_ptr()) };
        if succeeded != 0 { Ok(()) } else { Err(self.last_error()) }
    }

    fn last_error(&self) -> String {
        let Some(Class { get_error: Some(get), free_error: Some(free), .. }) = self.class() else { return String::new() };
        // SAFETY: the object is alive; the text, if there is one, is ours until it is given back.
        let text = unsafe { get(self.object) };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: it is a text that ends in NUL.
        let said = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: it came from `get_error` of the same object and is not used any more.
        unsafe { free(text) };
        said
    }
}
