//! The result: a muxer over the descriptor that was handed in.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::format::Flags;
use ffmpeg_next::format::context::{Output, StreamIo};
use ffmpeg_next::media::Type;
use ffmpeg_next::{Codec, Dictionary, DictionaryRef, Packet, Rational, Stream, ffi};

use crate::containers::Container;
use crate::facts::Numbers;
use crate::fault;
use crate::files::Positioned;
use crate::source;
use crate::tags;

/// Bytes that are written at a time.
const BUFFER: usize = 256 << 10;

/// Bytes of packets that are kept until every track has begun; a track that has not by then is left out.
const MOST_WAITING: usize = 256 << 20;

/// One track of the result.
pub(crate) struct Track {
    pub(crate) parameters: Parameters,
    /// Of its packets' times.
    pub(crate) unit: Rational,
    pub(crate) rate: Option<Rational>,
    /// A codec tag other than the muxer's own.
    pub(crate) tag: u32,
    pub(crate) cover: bool,
    /// A turn that players have to make.
    pub(crate) matrix: Option<Vec<u8>>,
    /// `language` and `title`.
    pub(crate) metadata: Vec<(String, String)>,
}

enum Slot {
    Awaited,
    LeftOut,
    Begun { track: Track, index: usize, packets: u64 },
}

/// A result being written.
pub(crate) struct Sink {
    // Dropped first: it may still use what `reader` points to.
    output: Output,
    _reader: Box<Reader>,
    container: &'static Container,
    slots: Vec<Slot>,
    has_header: bool,
    waiting: Vec<(usize, Packet)>,
    waiting_bytes: usize,
}

/// What the muxer of the MP4 family opens once more, to move the index to the front: the result itself, and nothing else.
struct Reader {
    file: File,
    cancel: Cancel,
    opened: Vec<StreamIo>,
}

/// What belongs to the place and the device where something was recorded, or to the old container.
const NOT_CARRIED: &[&str] = &["major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "handler_name"];

/// Tags that go over into the result. Where it was recorded does not.
pub(crate) fn carried(tags: &DictionaryRef<'_>) -> Vec<(String, String)> {
    let keeps = |name: &str| {
        let name = name.to_ascii_lowercase();
        !NOT_CARRIED.contains(&name.as_str()) && !name.contains("location") && !name.contains("gps")
    };
    tags::all(tags).into_iter().filter(|(name, _)| keeps(name)).collect()
}

fn dictionary(pairs: &[(String, String)]) -> Dictionary<'static> {
    let mut dictionary = Dictionary::new();
    for (name, value) in pairs {
        // A NUL cannot be in what came from FFmpeg's own strings.
        dictionary.set(name, value);
    }
    dictionary
}

/// What a stream that is taken over as it is says of itself; a damaged one may lack what every muxer asks for.
///
/// # Errors
/// [`Failure::Invalid`] for pictures without a size, and sound without a rate or channels.
pub(crate) fn taken_over(stream: &Stream) -> Result<Parameters, Failure> {
    let parameters = stream.parameters().clone();
    let Numbers { width, height, sample_rate, channels, .. } = Numbers::of(&parameters);
    match parameters.medium() {
        Type::Video if width < 1 || height < 1 => Err(Failure::invalid("The file is damaged: its pictures have no size")),
        Type::Audio if sample_rate < 1 || channels < 1 => {
            Err(Failure::invalid("The file is damaged: its sound has no sample rate or no channels"))
        }
        _ => Ok(parameters),
    }
}

/// The display matrix of a stream.
pub(crate) fn matrix_of(stream: &Stream) -> Option<Vec<u8>> {
    let kind = ffmpeg_next::codec::packet::side_data::Type::DisplayMatrix;
    stream.side_data().find(|data| data.kind() == kind).map(|data| data.data().to_vec())
}

impl Sink {
    /// A result with room for that many tracks. The file is emptied.
    pub(crate) fn open(file: &File, container: &'static Container, tracks: usize, cancel: &Cancel) -> Result<Self, Failure> {
        file.set_len(0).map_err(Failure::internal)?;
        let ours = |error| fault::ours("output", error);
        let writer = Positioned::new(file, cancel).map_err(Failure::internal)?;
        let stream = StreamIo::from_write_seek_with_capacity(writer, BUFFER).map_err(ours)?;
        let mut output = ffmpeg_next::format::output_to_stream(stream, None, Some(container.muxer)).map_err(ours)?;
        let file = file.try_clone().map_err(Failure::internal)?;
        let mut reader = Box::new(Reader { file, cancel: cancel.clone(), opened: Vec::new() });
        // SAFETY: the context was made above and nothing else uses it yet. `opaque` is the user's own field; it points into a box that
        // the returned value keeps, at the same address, until after the context is gone.
        unsafe {
            let context = output.as_mut_ptr();
            (*context).opaque = std::ptr::from_mut::<Reader>(&mut reader).cast::<c_void>();
            (*context).io_open = Some(open_again);
            (*context).io_close2 = Some(close_again);
        }
        let slots = (0..tracks).map(|_| Slot::Awaited).collect();
        Ok(Self { output, _reader: reader, container, slots, has_header: false, waiting: Vec::new(), waiting_bytes: 0 })
    }

    /// Whether encoders have to put their headers beside the packets.
    pub(crate) fn wants_global_headers(&self) -> bool {
        self.output.format().flags().contains(Flags::GLOBAL_HEADER)
    }

    /// Tags of the whole file.
    pub(crate) fn set_tags(&mut self, tags: &[(String, String)]) {
        self.output.set_metadata(dictionary(tags));
    }

    /// A chapter, seconds.
    pub(crate) fn add_chapter(&mut self, id: i64, start: f64, end: f64, title: &str) {
        let unit = source::MICROSECONDS;
        let (start, end) = (source::ticks(start, unit), source::ticks(end, unit));
        // A chapter that ends before it starts is left out.
        let _ = self.output.add_chapter(id, unit, start, end, title.replace('\0', ""));
    }

    /// A track has begun.
    pub(crate) fn begin(&mut self, slot: usize, track: Track) -> Result<(), Failure> {
        if let Some(place) = self.slots.get_mut(slot)
            && matches!(place, Slot::Awaited)
        {
            *place = Slot::Begun { track, index: 0, packets: 0 };
        }
        self.write_header_if_complete()
    }

    /// A track will not come.
    pub(crate) fn leave_out(&mut self, slot: usize) -> Result<(), Failure> {
        if let Some(place) = self.slots.get_mut(slot)
            && matches!(place, Slot::Awaited)
        {
            *place = Slot::LeftOut;
        }
        self.write_header_if_complete()
    }

    /// Takes a packet of a track that has begun, its times in the track's unit.
    pub(crate) fn write(&mut self, slot: usize, packet: Packet) -> Result<(), Failure> {
        if self.has_header {
            return self.write_now(slot, packet);
        }
        self.waiting_bytes += packet.size();
        self.waiting.push((slot, packet));
        if self.waiting_bytes > MOST_WAITING {
            for place in &mut self.slots {
                if matches!(place, Slot::Awaited) {
                    *place = Slot::LeftOut;
                }
            }
            self.write_header_if_complete()?;
        }
        Ok(())
    }

    fn write_now(&mut self, slot: usize, mut packet: Packet) -> Result<(), Failure> {
        let Some(Slot::Begun { track, index, packets }) = self.slots.get_mut(slot) else { return Ok(()) };
        // SAFETY: reads two plain fields of the packet.
        let is_nothing = unsafe { packet.is_empty() } && packet.side_data().len() == 0;
        if is_nothing {
            return Ok(());
        }
        let unit = self.output.stream(*index).map_or(track.unit, |stream| stream.time_base());
        packet.rescale_ts(track.unit, unit);
        packet.set_stream(*index);
        packet.set_position(-1);
        *packets += 1;
        packet.write_interleaved(&mut self.output).map_err(fault::muxing)
    }

    fn write_header_if_complete(&mut self) -> Result<(), Failure> {
        let complete = self.slots.iter().all(|slot| !matches!(slot, Slot::Awaited));
        let any = self.slots.iter().any(|slot| matches!(slot, Slot::Begun { .. }));
        if self.has_header || !complete || !any {
            return Ok(());
        }
        let ours = |error| fault::ours("muxer", error);
        for slot in &mut self.slots {
            let Slot::Begun { track, index, .. } = slot else { continue };
            let mut stream = self.output.add_stream(None::<Codec>).map_err(ours)?;
            *index = stream.index();
            stream.set_parameters(track.parameters.clone());
            stream.set_time_base(track.unit);
            if let Some(rate) = track.rate {
                stream.set_avg_frame_rate(rate);
            }
            stream.set_metadata(dictionary(&track.metadata));
            // SAFETY: the stream was just added and belongs to the context; codec parameters always exist. The side data is allocated
            // by FFmpeg with the size that is then copied, and only if it could be.
            unsafe {
                let raw = stream.as_mut_ptr();
                (*(*raw).codecpar).codec_tag = track.tag;
                if track.cover {
                    (*raw).disposition |= ffi::AV_DISPOSITION_ATTACHED_PIC;
                }
                if let Some(matrix) = &track.matrix {
                    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
                    let place = ffi::av_stream_new_side_data(raw, kind, matrix.len());
                    if !place.is_null() {
                        std::ptr::copy_nonoverlapping(matrix.as_ptr(), place, matrix.len());
                    }
                }
            }
        }
        let mut words = Dictionary::new();
        if self.container.has_index_at_front() {
            words.set("movflags", "+faststart");
        }
        for (name, value) in self.container.words {
            words.set(name, value);
        }
        self.output.write_header_with(words).map(drop).map_err(ours)?;
        self.has_header = true;
        for (slot, packet) in std::mem::take(&mut self.waiting) {
            self.write_now(slot, packet)?;
        }
        Ok(())
    }

    /// Packets that a track was given.
    pub(crate) fn packets(&self, slot: usize) -> u64 {
        match self.slots.get(slot) {
            Some(Slot::Begun { packets, .. }) => *packets,
            _ => 0,
        }
    }

    /// Ends the file. `false`: no track has begun, so there is no file.
    pub(crate) fn finish(&mut self) -> Result<bool, Failure> {
        for slot in 0..self.slots.len() {
            self.leave_out(slot)?;
        }
        if !self.has_header {
            return Ok(false);
        }
        self.output.write_trailer().map_err(|error| fault::ours("muxer", error))?;
        Ok(true)
    }
}

/// Opens the result once more for reading. Anything else that a muxer would open is refused.
unsafe extern "C" fn open_again(
    context: *mut ffi::AVFormatContext,
    opened: *mut *mut ffi::AVIOContext,
    url: *const c_char,
    flags: c_int,
    _options: *mut *mut ffi::AVDictionary,
) -> c_int {
    let refused = ffi::AVERROR(ffi::EPERM);
    // SAFETY: FFmpeg calls this with the context that `Sink::open` has prepared, whose `opaque` points to a `Reader` that outlives it and
    // that nobody else holds a reference to; `url` is that of the context, a string or null.
    unsafe {
        let is_itself = url.is_null() || CStr::from_ptr(url).is_empty();
        if !is_itself || flags != ffi::AVIO_FLAG_READ {
            return refused;
        }
        let reader = &mut *(*context).opaque.cast::<Reader>();
        let Ok(file) = Positioned::new(&reader.file, &reader.cancel) else { return refused };
        let Ok(mut stream) = StreamIo::from_read_seek_with_capacity(file, BUFFER) else { return refused };
        *opened = stream.as_mut_ptr();
        reader.opened.push(stream);
    }
    0
}

unsafe extern "C" fn close_again(context: *mut ffi::AVFormatContext, closed: *mut ffi::AVIOContext) -> c_int {
    // SAFETY: as in `open_again`; what is closed is one of those that it has opened, or the result itself, which stays.
    let reader = unsafe { &mut *(*context).opaque.cast::<Reader>() };
    reader.opened.retain_mut(|stream| !std::ptr::eq(stream.as_mut_ptr(), closed));
    0
}
