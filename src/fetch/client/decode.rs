//! Content encodings: proxies compress whatever servers do not.

use std::io::{self, Read};

/// What is asked for.
pub(super) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// Takes off what an answer says it is wrapped in.
pub(super) fn decode(body: Vec<u8>, encodings: Option<&str>) -> io::Result<Vec<u8>> {
    let encodings = encodings.unwrap_or("");
    // The last one was put on last.
    encodings.split(',').rev().map(|it| it.trim().to_ascii_lowercase()).try_fold(body, |body, encoding| {
        let mut text = Vec::new();
        match encoding.as_str() {
            "" | "identity" => return Ok(body),
            // Some proxies say so of what they pass on plain.
            "gzip" | "x-gzip" if !body.starts_with(&[0x1f, 0x8b]) => return Ok(body),
            "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(&body[..]).read_to_end(&mut text)?,
            // By the standard in zlib's frame, by many without.
            "deflate" if body.first().is_some_and(|it| it & 0x0f == 8) => {
                flate2::read::ZlibDecoder::new(&body[..]).read_to_end(&mut text)?
            }
            "deflate" => flate2::read::DeflateDecoder::new(&body[..]).read_to_end(&mut text)?,
            "br" => brotli_decompressor::Decompressor::new(&body[..], 1 << 16).read_to_end(&mut text)?,
            "zstd" => zstd::stream::read::Decoder::new(&body[..])?.read_to_end(&mut text)?,
            other => return Err(io::Error::other(format!("an encoding that was not asked for, {other}"))),
        };
        Ok(text)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_encoding_that_is_asked_for_is_taken_off() {
        let text = b"{\"data\":[]}".repeat(100);
        let zlib = |mut it: flate2::write::ZlibEncoder<Vec<u8>>| {
            it.write_all(&text).unwrap();
            it.finish().unwrap()
        };
        let zlib = zlib(flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast()));
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&text).unwrap();
        let raw = raw.finish().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&text[..], 3).unwrap();
        // "hello" as brotli has it without compression.
        let brotli = [0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
        for (body, encoding) in
            [(&zlib, "deflate"), (&raw, "deflate"), (&gzip, "gzip"), (&zstd, "zstd"), (&text, "identity")]
        {
            assert!(decode(body.clone(), Some(encoding)).unwrap() == text, "{encoding}");
        }
        let twice = zstd::encode_all(&gzip[..], 3).unwrap();
        assert!(decode(twice, Some("gzip, zstd")).unwrap() == text);
        assert_eq!(decode(brotli.to_vec(), Some("br")).unwrap(), b"hello");
        assert!(decode(text.clone(), Some("gzip")).unwrap() == text, "said to be, but is not");
        assert!(decode(text.clone(), None).unwrap() == text);
        assert!(decode(gzip[..gzip.len() / 2].to_vec(), Some("gzip")).is_err());
        assert!(decode(text, Some("lzma")).is_err());
    }
}
