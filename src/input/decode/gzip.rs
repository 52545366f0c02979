//! gzip: members one after the other, as `cat a.gz b.gz` and log shippers make them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::{Buffered, DecodeFault};

const NAME: &str = "gzip";

/// The text of all members.
pub(super) struct Gzip {
    member: Option<GzDecoder<Buffered>>,
}

impl Gzip {
    pub(super) fn new(input: Buffered) -> Gzip {
        Gzip { member: Some(GzDecoder::new(input)) }
    }

    /// What follows a member: another, or the end, with zeros before it where something was padded to blocks.
    fn next_member(mut input: Buffered) -> io::Result<Option<GzDecoder<Buffered>>> {
        loop {
            let bytes = input.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let n_zeros = bytes.iter().take_while(|it| **it == 0).count();
            match bytes.get(n_zeros) {
                None => input.consume(n_zeros),
                Some(0x1f) => {
                    input.consume(n_zeros);
                    return Ok(Some(GzDecoder::new(input)));
                }
                Some(_) => return Err(DecodeFault::Damaged(NAME, "something else follows it".to_owned()).into()),
            }
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buf) {
                Ok(0) if !buf.is_empty() => {}
                other => return other.map_err(|err| DecodeFault::of_decoder(NAME, err)),
            }
            if let Some(member) = self.member.take() {
                self.member = Gzip::next_member(member.into_inner())?;
            }
        }
        Ok(0)
    }
}
