//! Output compressed as the name of its file says.

use std::io::{self, Write};
use std::path::Path;

use flate2::write::GzEncoder;

/// As good as zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// A writer that may compress.
pub(super) enum Packed<'a> {
    Plain(&'a mut (dyn Write + Send)),
    Gzip(GzEncoder<&'a mut (dyn Write + Send)>),
    Zstd(zstd::stream::write::Encoder<'static, &'a mut (dyn Write + Send)>),
}

impl<'a> Packed<'a> {
    /// gzip for `.gz`, zstd for `.zst`, nothing for any other name and for none.
    pub(super) fn by_name(path: Option<&Path>, out: &'a mut (dyn Write + Send)) -> io::Result<Packed<'a>> {
        let extension = path.and_then(Path::extension).map(|it| it.to_string_lossy().to_ascii_lowercase());
        Ok(match extension.as_deref() {
            Some("gz") => Packed::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Some("zst") => Packed::Zstd(zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)?),
            _ => Packed::Plain(out),
        })
    }

    /// Writes what stands behind the data.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Packed::Plain(out) => out.flush(),
            Packed::Gzip(encoder) => encoder.finish()?.flush(),
            Packed::Zstd(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Packed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packed::Plain(out) => out.write(bytes),
            Packed::Gzip(encoder) => encoder.write(bytes),
            Packed::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packed::Plain(out) => out.flush(),
            Packed::Gzip(encoder) => encoder.flush(),
            Packed::Zstd(encoder) => encoder.flush(),
        }
    }
}
