//! What wraps a capture: compression and encodings, told by the bytes and never by a name.
//!
//! What comes out of one wrapping is looked at again, a few times over. Decompression runs on a
//! thread of its own, beside the parsing; plain bytes get neither a thread nor a copy.

mod beside;
mod gzip;
mod utf16;
mod zstandard;

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::head::HEAD;
use super::source::Unkept;
use beside::Beside;
use gzip::Gzip;
use utf16::Utf16;
use zstandard::Zstandard;

/// So many wrappings may lie in each other.
const MOST_LAYERS: usize = 3;

/// How much of a wrapped source is read at once.
const INPUT: usize = 1 << 18;

/// A prefix that says more than this is none, unless that much is there.
const USUAL_PREFIXED: usize = 16 << 20;

type Bytes = Box<dyn Read + Send>;
type Buffered = BufReader<Bytes>;

/// A source with all its wrappings taken off.
pub(crate) struct Decoded {
    /// The first bytes of the text.
    pub(crate) head: Vec<u8>,
    /// What follows them.
    pub(crate) rest: Bytes,
    /// What went wrong on the way to the head, which is then all there is.
    pub(crate) fault: Option<DecodeFault>,
    /// What offsets are those of, where it is not the file.
    pub(crate) text: Option<&'static str>,
    n_raw: Arc<AtomicU64>,
}

/// Why there is no more text, though there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DecodeFault {
    /// The source ends early.
    Cut(&'static str),
    /// The bytes are not what they should be.
    Damaged(&'static str, String),
    /// It is larger than allowed.
    TooLarge(u64),
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeFault::Cut(layer) => write!(f, "the {layer} data ends early"),
            DecodeFault::Damaged(layer, why) => write!(f, "the {layer} data is damaged ({why})"),
            DecodeFault::TooLarge(limit) => {
                write!(f, "it decompresses to more than {limit} bytes (see --max-decompressed)")
            }
        }
    }
}

impl std::error::Error for DecodeFault {}

impl From<DecodeFault> for io::Error {
    fn from(fault: DecodeFault) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, fault)
    }
}

impl DecodeFault {
    /// Whether it is the user's limit that was met, and nothing is wrong with the bytes.
    pub(crate) fn is_a_limit(&self) -> bool {
        matches!(self, DecodeFault::TooLarge(_))
    }

    /// The fault that an error stands for; an error of the source itself is given back.
    pub(crate) fn from_error(err: io::Error) -> Result<DecodeFault, io::Error> {
        err.downcast::<DecodeFault>()
    }

    /// What a decoder says of its input; an error of the source itself stays what it is.
    fn of_decoder(layer: &'static str, err: io::Error) -> io::Error {
        let is_passed_on = err.raw_os_error().is_some() || err.kind() == io::ErrorKind::Interrupted;
        if is_passed_on || err.get_ref().is_some_and(|it| it.is::<DecodeFault>() || it.is::<Unkept>()) {
            return err;
        }
        match err.kind() {
            io::ErrorKind::UnexpectedEof => DecodeFault::Cut(layer).into(),
            _ => DecodeFault::Damaged(layer, err.to_string()).into(),
        }
    }
}

/// One wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Gzip,
    Zstandard,
    /// Frames behind their lengths, as the OpenTelemetry Collector's file exporter writes them.
    PrefixedZstandard,
    Utf16 {
        big_endian: bool,
    },
}

impl Layer {
    /// The wrapping that a source in these bytes begins with; the source goes on behind them if they fill a head.
    fn of(head: &[u8]) -> Option<Layer> {
        match head {
            [0x1f, 0x8b, ..] => Some(Layer::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Layer::Zstandard),
            // With a byte order mark, or by the zero beside the first bracket, which JSON never has.
            [0xff, 0xfe, ..] | [b'{' | b'[', 0, ..] => Some(Layer::Utf16 { big_endian: false }),
            [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] => Some(Layer::Utf16 { big_endian: true }),
            [a, b, c, d, rest @ ..] if rest.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                let fits = length <= rest.len() || head.len() >= HEAD || length <= USUAL_PREFIXED;
                fits.then_some(Layer::PrefixedZstandard)
            }
            _ => None,
        }
    }

    fn is_compression(self) -> bool {
        !matches!(self, Layer::Utf16 { .. })
    }

    fn take_off(self, input: Bytes) -> io::Result<Bytes> {
        let input = BufReader::with_capacity(INPUT, input);
        Ok(match self {
            Layer::Gzip => Box::new(Gzip::new(input)),
            Layer::Zstandard => Box::new(Zstandard::new(input, false)?),
            Layer::PrefixedZstandard => Box::new(Zstandard::new(input, true)?),
            Layer::Utf16 { big_endian } => Box::new(Utf16::new(input, big_endian)),
        })
    }
}

impl Decoded {
    /// Looks at what a source begins with, and takes off what wraps it.
    pub(crate) fn new(source: Bytes, max_decompressed: u64) -> io::Result<Decoded> {
        let n_raw = Arc::new(AtomicU64::new(0));
        let mut rest: Bytes = Box::new(Metered { input: source, n: Arc::clone(&n_raw) });
        let mut head = Vec::with_capacity(HEAD);
        let mut fault = read_head(&mut rest, &mut head)?;
        let mut layers = Vec::new();
        while layers.len() < MOST_LAYERS
            && fault.is_none()
            && let Some(layer) = Layer::of(&head)
        {
            let whole = io::Cursor::new(std::mem::take(&mut head)).chain(rest);
            rest = layer.take_off(Box::new(whole))?;
            if layer.is_compression() {
                rest = Box::new(Limited { input: rest, left: max_decompressed, limit: max_decompressed });
            }
            layers.push(layer);
            fault = read_head(&mut rest, &mut head)?;
        }
        let text = match layers.as_slice() {
            [] => None,
            [Layer::Utf16 { .. }] => Some("the text in UTF-8"),
            _ => Some("the decompressed text"),
        };
        if fault.is_some() {
            rest = Box::new(io::empty());
        } else if layers.iter().any(|it| it.is_compression()) {
            rest = Box::new(Beside::new(rest)?);
        }
        Ok(Decoded { head, rest, fault, text, n_raw })
    }

    /// How many bytes of the source itself have been read: goes on counting.
    pub(crate) fn n_raw(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.n_raw)
    }
}

/// Fills a head as far as the bytes go, and says what stopped it if that was not the end.
fn read_head(input: &mut Bytes, head: &mut Vec<u8>) -> io::Result<Option<DecodeFault>> {
    match input.by_ref().take(HEAD as u64).read_to_end(head) {
        Ok(_) => Ok(None),
        Err(err) => DecodeFault::from_error(err).map(Some),
    }
}

/// Counts what is read of the source itself.
struct Metered {
    input: Bytes,
    n: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n_read = self.input.read(buf)?;
        self.n.fetch_add(n_read as u64, Ordering::Relaxed);
        Ok(n_read)
    }
}

/// Stops what does not end: a few bytes can decompress to any number.
struct Limited {
    input: Bytes,
    left: u64,
    limit: u64,
}

impl Read for Limited {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n_read = self.input.read(buf)?;
        match self.left.checked_sub(n_read as u64) {
            Some(left) => self.left = left,
            None => return Err(DecodeFault::TooLarge(self.limit).into()),
        }
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

    #[test]
    fn wrappings_are_told_by_their_first_bytes() {
        assert_eq!(Layer::of(b"\x1f\x8b\x08"), Some(Layer::Gzip));
        assert_eq!(Layer::of(&ZSTD), Some(Layer::Zstandard));
        assert_eq!(Layer::of(b"\x5a\x2a\x4d\x18"), Some(Layer::Zstandard));
        assert_eq!(Layer::of(b"\xff\xfe{\0"), Some(Layer::Utf16 { big_endian: false }));
        assert_eq!(Layer::of(b"\0["), Some(Layer::Utf16 { big_endian: true }));
        for plain in [&b""[..], b"\x1f", b"{", b"[{", b"\x28\xb5\x2f", b"\xef\xbb\xbf{", b"0", b"\x50\x2a\x4d"] {
            assert_eq!(Layer::of(plain), None, "{plain:?}");
        }
    }

    #[test]
    fn a_length_must_fit() {
        let prefixed = |length: u32| [&length.to_be_bytes()[..], &ZSTD, &[0; 20]].concat();
        assert_eq!(Layer::of(&prefixed(24)), Some(Layer::PrefixedZstandard));
        // Cut, rather than something else.
        assert_eq!(Layer::of(&prefixed(1_000)), Some(Layer::PrefixedZstandard));
        assert_eq!(Layer::of(&prefixed(u32::MAX)), None);
        let mut long = prefixed(u32::MAX);
        long.resize(HEAD, 0);
        assert_eq!(Layer::of(&long), Some(Layer::PrefixedZstandard));
    }

    #[test]
    fn plain_bytes_are_handed_on_as_they_are() {
        let text = b"[1,2,3]".repeat(HEAD / 2);
        let mut decoded = Decoded::new(Box::new(io::Cursor::new(text.clone())), 1).unwrap();
        assert_eq!(decoded.n_raw().load(Ordering::Relaxed), HEAD as u64);
        let mut all = decoded.head.clone();
        decoded.rest.read_to_end(&mut all).unwrap();
        assert!(all == text && decoded.text.is_none(), "and without a limit");
    }

    #[test]
    fn random_bytes_behind_every_beginning_do_not_panic() {
        let mut state = 1u32;
        let beginnings = [
            &b"\x1f\x8b\x08\0"[..],
            &ZSTD,
            b"\x50\x2a\x4d\x18",
            b"\0\0\0\x30\x28\xb5\x2f\xfd",
            b"\xff\xfe",
            b"\xfe\xff",
        ];
        for beginning in beginnings {
            for _ in 0..300 {
                let mut bytes = beginning.to_vec();
                for _ in 0..60 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    bytes.push((state >> 24) as u8);
                }
                let mut decoded = Decoded::new(Box::new(io::Cursor::new(bytes)), 1 << 20).unwrap();
                let _ = decoded.rest.read_to_end(&mut Vec::new());
            }
        }
    }
}
