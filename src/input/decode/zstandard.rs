//! zstd: frames one after the other, skippable ones among them; and the OpenTelemetry Collector's
//! variant, in which every frame stands behind its length and holds one message.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::{Buffered, DecodeFault};

const NAME: &str = "zstd";

/// The text of all frames.
pub(super) struct Zstandard {
    input: Buffered,
    decoder: Decoder<'static>,
    /// Whether a frame has begun and not ended.
    in_frame: bool,
    /// Where frames stand behind their lengths: how much of the one at hand is to come.
    prefixed: Option<u64>,
    /// The byte given last: a message is a line, even if nothing ends it.
    last: u8,
}

impl Zstandard {
    pub(super) fn new(input: Buffered, is_prefixed: bool) -> io::Result<Zstandard> {
        let prefixed = is_prefixed.then_some(0);
        Ok(Zstandard { input, decoder: Decoder::new()?, in_frame: false, prefixed, last: b'\n' })
    }

    /// Reads the length of the next message; `false` at the end.
    fn next_length(&mut self) -> io::Result<bool> {
        let mut length = [0; 4];
        let mut n_read = 0;
        while n_read < length.len() {
            match self.input.read(&mut length[n_read..]) {
                Ok(0) if n_read == 0 => return Ok(false),
                Ok(0) => return Err(DecodeFault::Cut(NAME).into()),
                Ok(n) => n_read += n,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        self.prefixed = Some(u64::from(u32::from_be_bytes(length)));
        Ok(true)
    }

    /// Decodes a step; nothing written says that more input is needed.
    fn step(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.input.fill_buf()?;
        let is_at_end = bytes.is_empty();
        let n_usable = self.prefixed.map_or(bytes.len(), |left| bytes.len().min(left.try_into().unwrap_or(usize::MAX)));
        let mut input = InBuffer::around(&bytes[..n_usable]);
        let mut output = OutBuffer::around(buf);
        let to_come = self.decoder.run(&mut input, &mut output).map_err(|err| DecodeFault::of_decoder(NAME, err))?;
        let (n_used, n_written) = (input.pos(), output.pos());
        self.in_frame = to_come != 0;
        self.input.consume(n_used);
        if let Some(left) = &mut self.prefixed {
            *left -= n_used as u64;
        }
        if n_used == 0 && n_written == 0 && self.in_frame {
            // It was given all there is.
            let fault = if is_at_end {
                DecodeFault::Cut(NAME)
            } else {
                DecodeFault::Damaged(NAME, "a frame is longer than its length".to_owned())
            };
            return Err(fault.into());
        }
        Ok(n_written)
    }
}

impl Read for Zstandard {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if self.prefixed == Some(0) {
                    if self.last != b'\n' {
                        buf[0] = b'\n';
                        self.last = b'\n';
                        return Ok(1);
                    }
                    if !self.next_length()? {
                        return Ok(0);
                    }
                    continue;
                }
                if self.input.fill_buf()?.is_empty() {
                    return match self.prefixed {
                        None => Ok(0),
                        Some(_) => Err(DecodeFault::Cut(NAME).into()),
                    };
                }
            }
            let n_written = self.step(buf)?;
            if n_written > 0 {
                self.last = buf[n_written - 1];
                return Ok(n_written);
            }
        }
    }
}
