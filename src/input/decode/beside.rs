//! A reader that reads ahead on a thread of its own, so that decompressing and parsing go on side by side.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

/// How much is handed over at once.
const BLOCK: usize = 1 << 20;

/// How many blocks may wait.
const WAITING: usize = 2;

/// The reading end. Dropping it ends the thread, which is not waited for: what it reads from may
/// have nothing to say for hours.
pub(super) struct Beside {
    blocks: Receiver<io::Result<Vec<u8>>>,
    spares: Sender<Vec<u8>>,
    block: Vec<u8>,
    given: usize,
    ended: bool,
}

impl Beside {
    pub(super) fn new(input: Box<dyn Read + Send>) -> io::Result<Beside> {
        let (sender, blocks) = mpsc::sync_channel(WAITING);
        let (spares, spare_blocks) = mpsc::channel();
        std::thread::Builder::new()
            .name("decompress".to_owned())
            .spawn(move || read_ahead(input, &sender, &spare_blocks))?;
        Ok(Beside { blocks, spares, block: Vec::new(), given: 0, ended: false })
    }

    /// Takes the next block; the last one is empty.
    fn next_block(&mut self) -> io::Result<()> {
        let spare = std::mem::take(&mut self.block);
        self.given = 0;
        if spare.capacity() > 0 {
            // Nobody takes it any more behind the end.
            let _ = self.spares.send(spare);
        }
        let next = self.blocks.recv().unwrap_or_else(|_| Err(io::Error::other("decompression stopped")));
        self.ended = !matches!(&next, Ok(block) if !block.is_empty());
        self.block = next?;
        Ok(())
    }
}

impl Read for Beside {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.block.len() && !self.ended {
            self.next_block()?;
        }
        let n = buf.len().min(self.block.len() - self.given);
        buf[..n].copy_from_slice(&self.block[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

fn read_ahead(mut input: Box<dyn Read + Send>, sender: &SyncSender<io::Result<Vec<u8>>>, spares: &Receiver<Vec<u8>>) {
    loop {
        let mut block = spares.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        block.clear();
        let outcome = input.by_ref().take(BLOCK as u64).read_to_end(&mut block);
        let is_last = block.is_empty();
        // What came before an error is good.
        if (!is_last || outcome.is_ok()) && sender.send(Ok(block)).is_err() {
            return;
        }
        match outcome {
            Ok(_) if is_last => return,
            Ok(_) => {}
            Err(err) => {
                let _ = sender.send(Err(err));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    /// Gives so many bytes in small pieces, then fails or ends.
    struct Source {
        left: usize,
        fails: bool,
        alive: Arc<()>,
    }

    impl Read for Source {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let _ = &self.alive;
            if self.left == 0 && self.fails {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let n = buf.len().min(self.left).min(10_000);
            buf[..n].fill(b'x');
            self.left -= n;
            Ok(n)
        }
    }

    fn beside(left: usize, fails: bool) -> (Beside, Arc<()>) {
        let alive = Arc::new(());
        (Beside::new(Box::new(Source { left, fails, alive: Arc::clone(&alive) })).unwrap(), alive)
    }

    #[test]
    fn everything_comes_through() {
        for left in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 7 * BLOCK + 3] {
            let mut text = Vec::new();
            let (mut reader, _) = beside(left, false);
            assert_eq!(reader.read_to_end(&mut text).unwrap(), left);
            assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0, "the end stays the end");
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it() {
        for left in [0, 5, BLOCK, BLOCK + 5] {
            let mut text = Vec::new();
            assert!(beside(left, true).0.read_to_end(&mut text).is_err());
            assert_eq!(text.len(), left);
        }
    }

    #[test]
    fn the_thread_ends_with_its_reader() {
        let (mut reader, alive) = beside(usize::MAX, false);
        reader.read_exact(&mut [0; 100]).unwrap();
        drop(reader);
        for _ in 0..1_000 {
            if Arc::strong_count(&alive) == 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it goes on");
    }
}
