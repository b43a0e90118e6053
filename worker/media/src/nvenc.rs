//! What the encoder of an NVIDIA card can do, asked of its driver: which codecs, how large, how many at a time.
//!
//! Nothing of NVIDIA's is linked: the two functions that the bindings want to find are here, and open the driver's library when they are
//! called. Without a driver the program starts as ever, and the report says what is missing.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;
use std::sync::OnceLock;

use libloading::Library;
use nvidia_video_codec_sdk::ENCODE_API;
use nvidia_video_codec_sdk::sys::nvEncodeAPI::{
    GUID, NV_ENC_CAPS, NV_ENC_CAPS_PARAM, NV_ENC_CAPS_PARAM_VER, NV_ENC_CODEC_AV1_GUID, NV_ENC_CODEC_H264_GUID,
    NV_ENC_CODEC_HEVC_GUID, NV_ENC_DEVICE_TYPE, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
    NV_ENCODE_API_FUNCTION_LIST, NVENCAPI_MAJOR_VERSION, NVENCAPI_MINOR_VERSION, NVENCAPI_VERSION, NVENCSTATUS,
};
use serde_json::{Value, json};

/// Most sessions that are looked for: cards for computing have no limit of their own.
const MOST_SESSIONS: usize = 16;

/// The driver's library of encoders.
const ENCODE: &str = "libnvidia-encode.so.1";

/// That of CUDA.
const CUDA: &str = "libcuda.so.1";

/// The codecs, by the names that the options have.
const CODECS: [(&str, GUID); 3] =
    [("h264", NV_ENC_CODEC_H264_GUID), ("hevc", NV_ENC_CODEC_HEVC_GUID), ("av1", NV_ENC_CODEC_AV1_GUID)];

static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

/// A library of the driver's.
fn open(name: &str) -> Option<Library> {
    // SAFETY: the initialisers of the driver's libraries may run at any time; FFmpeg opens the same two.
    unsafe { Library::new(name) }.ok()
}

/// Calls the function of that name in the driver's library of encoders.
fn forward<T>(name: &[u8], argument: *mut T) -> NVENCSTATUS {
    type Function<T> = unsafe extern "C" fn(*mut T) -> NVENCSTATUS;
    let library = LIBRARY.get_or_init(|| open(ENCODE)).as_ref();
    // SAFETY: both functions that are looked for take one pointer and return a status, by NVIDIA's header; the library is never closed.
    let function = library.and_then(|library| unsafe { library.get::<Function<T>>(name) }.ok());
    match function {
        // SAFETY: the pointer is the caller's, for the function that it meant to call.
        Some(function) => unsafe { function(argument) },
        None => NVENCSTATUS::NV_ENC_ERR_NO_ENCODE_DEVICE,
    }
}

/// What the bindings call to get all other functions.
///
/// # Safety
/// As the driver's function of that name: `list` is valid, and says its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn NvEncodeAPICreateInstance(list: *mut NV_ENCODE_API_FUNCTION_LIST) -> NVENCSTATUS {
    forward(b"NvEncodeAPICreateInstance\0", list)
}

/// What the bindings call to learn the driver's version.
///
/// # Safety
/// As the driver's function of that name: `version` is valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn NvEncodeAPIGetMaxSupportedVersion(version: *mut u32) -> NVENCSTATUS {
    forward(b"NvEncodeAPIGetMaxSupportedVersion\0", version)
}

/// The part of the report that tells of the card: its codecs and sessions, or why there is nothing to tell.
pub(crate) fn report() -> Value {
    match Card::open() {
        Ok(card) => json!({ "codecs": card.codecs(), "sessions": card.sessions() }),
        Err(reason) => json!({ "reason": reason }),
    }
}

/// The first card's context. The three functions are looked for one by one: bindings of all of CUDA want those of the newest driver.
fn context(cuda: &Library) -> Option<*mut c_void> {
    let (mut device, mut context) = (0, ptr::null_mut());
    // SAFETY: the types are those of NVIDIA's header, and the pointers are to places of this function.
    let done = unsafe {
        let init = cuda.get::<unsafe extern "C" fn(c_uint) -> c_int>(b"cuInit\0").ok()?;
        let get = cuda.get::<unsafe extern "C" fn(*mut c_int, c_int) -> c_int>(b"cuDeviceGet\0").ok()?;
        let retain = cuda.get::<unsafe extern "C" fn(*mut *mut c_void, c_int) -> c_int>(b"cuDevicePrimaryCtxRetain\0").ok()?;
        init(0) == 0 && get(&raw mut device, 0) == 0 && retain(&raw mut context, device) == 0
    };
    done.then_some(context)
}

/// Ok if a call has succeeded.
fn checked(status: NVENCSTATUS) -> Result<(), NVENCSTATUS> {
    if status == NVENCSTATUS::NV_ENC_SUCCESS { Ok(()) } else { Err(status) }
}

/// The first card, and a session that answers questions.
struct Card {
    context: *mut c_void,
    session: Session,
}

/// An open session; closed when it goes.
struct Session(*mut c_void);

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: it was opened by the same functions, and is closed once.
        let _ = unsafe { (ENCODE_API.destroy_encoder)(self.0) };
    }
}

impl Session {
    fn open(context: *mut c_void) -> Result<Self, NVENCSTATUS> {
        let mut parameters = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS {
            version: NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
            deviceType: NV_ENC_DEVICE_TYPE::NV_ENC_DEVICE_TYPE_CUDA,
            apiVersion: NVENCAPI_VERSION,
            device: context,
            ..Default::default()
        };
        let mut session = ptr::null_mut();
        // SAFETY: both pointers are to places of this function, and the context is never released.
        checked(unsafe { (ENCODE_API.open_encode_session_ex)(&raw mut parameters, &raw mut session) })?;
        Ok(Self(session))
    }
}

impl Card {
    fn open() -> Result<Self, String> {
        // The bindings panic where the driver is older than they are.
        let cuda = open(CUDA).ok_or_else(|| format!("{CUDA} is not there: no driver of NVIDIA's"))?;
        let context = context(&cuda).ok_or("no card can be used")?;
        // It stays loaded, as the context does.
        std::mem::forget(cuda);
        let mut version = 0;
        // SAFETY: the pointer is to a place of this function.
        checked(unsafe { NvEncodeAPIGetMaxSupportedVersion(&raw mut version) })
            .map_err(|_| format!("{ENCODE} is not there: the driver comes without encoders"))?;
        if (version >> 4, version & 15) < (NVENCAPI_MAJOR_VERSION, NVENCAPI_MINOR_VERSION) {
            return Err(format!(
                "the driver knows version {}.{} of NVENC, and {NVENCAPI_MAJOR_VERSION}.{NVENCAPI_MINOR_VERSION} is needed: a newer driver",
                version >> 4,
                version & 15
            ));
        }
        let session = Session::open(context).map_err(|status| format!("the card opens no encoder: {status:?}"))?;
        Ok(Self { context, session })
    }

    /// Each codec with its largest size.
    fn codecs(&self) -> Vec<Value> {
        let offered = self.offered();
        let known = CODECS.into_iter().filter(|(_, codec)| offered.contains(codec));
        known
            .map(|(name, codec)| {
                json!({
                    "name": name,
                    "width": self.capability(codec, NV_ENC_CAPS::NV_ENC_CAPS_WIDTH_MAX),
                    "height": self.capability(codec, NV_ENC_CAPS::NV_ENC_CAPS_HEIGHT_MAX),
                    "ten_bit": self.capability(codec, NV_ENC_CAPS::NV_ENC_CAPS_SUPPORT_10BIT_ENCODE) == 1,
                })
            })
            .collect()
    }

    fn offered(&self) -> Vec<GUID> {
        let mut count = 0;
        // SAFETY: the session is open, and the pointer is to a place of this function.
        if checked(unsafe { (ENCODE_API.get_encode_guid_count)(self.session.0, &raw mut count) }).is_err() {
            return Vec::new();
        }
        let mut codecs = vec![GUID::default(); count as usize];
        let mut found = 0;
        // SAFETY: as above; there is room for as many as are said.
        let listed =
            checked(unsafe { (ENCODE_API.get_encode_guids)(self.session.0, codecs.as_mut_ptr(), count, &raw mut found) });
        codecs.truncate(if listed.is_ok() { found as usize } else { 0 });
        codecs
    }

    fn capability(&self, codec: GUID, query: NV_ENC_CAPS) -> c_int {
        let mut parameters = NV_ENC_CAPS_PARAM { version: NV_ENC_CAPS_PARAM_VER, capsToQuery: query, reserved: [0; 62] };
        let mut value = 0;
        // SAFETY: the session is open, and the pointers are to places of this function.
        let asked = checked(unsafe { (ENCODE_API.get_encode_caps)(self.session.0, codec, &raw mut parameters, &raw mut value) });
        if asked.is_ok() { value } else { 0 }
    }

    /// How many sessions open at a time. No driver says its limit: it is found by opening them.
    fn sessions(&self) -> usize {
        let others: Vec<_> = (1..MOST_SESSIONS).map_while(|_| Session::open(self.context).ok()).collect();
        others.len() + 1
    }
}
