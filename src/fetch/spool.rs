//! What has been fetched, in an unnamed temporary file that can be read while it grows.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Grows at its end; followers read it from the beginning, and wait for more until it is finished.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct State {
    n_bytes: u64,
    is_finished: bool,
}

impl Spool {
    pub(super) fn new() -> io::Result<Spool> {
        Ok(Spool { file: tempfile::tempfile()?, state: Mutex::default(), grown: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds bytes. For one writer at a time.
    pub(super) fn add(&self, bytes: &[u8]) -> io::Result<()> {
        write_all_at(&self.file, bytes, self.n_bytes())?;
        self.state().n_bytes += bytes.len() as u64;
        self.grown.notify_all();
        Ok(())
    }

    /// Says that there will be no more.
    pub(super) fn finish(&self) {
        self.state().is_finished = true;
        self.grown.notify_all();
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.state().n_bytes
    }

    /// Waits until there are more bytes than these; how many there are at the end.
    fn beyond(&self, n_bytes: u64) -> u64 {
        let state = self.state();
        let more = self.grown.wait_while(state, |it| it.n_bytes <= n_bytes && !it.is_finished);
        more.unwrap_or_else(PoisonError::into_inner).n_bytes
    }
}

/// Reads a spool from the beginning.
pub(super) struct Follower {
    spool: Arc<Spool>,
    at: u64,
}

impl Follower {
    pub(super) fn new(spool: Arc<Spool>) -> Follower {
        Follower { spool, at: 0 }
    }
}

impl Read for Follower {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n_left = self.spool.beyond(self.at) - self.at;
        let n_wanted = buf.len().min(usize::try_from(n_left).unwrap_or(usize::MAX));
        if n_wanted == 0 {
            return Ok(0);
        }
        let n_read = read_at(&self.spool.file, &mut buf[..n_wanted], self.at)?;
        self.at += n_read as u64;
        Ok(n_read)
    }
}

// Never by the file's own position, which readers and the writer would share.

#[cfg(unix)]
fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buf, at)
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buf, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut n_done = 0;
    while n_done < bytes.len() {
        n_done += std::os::windows::fs::FileExt::seek_write(file, &bytes[n_done..], at + n_done as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn followers_see_everything_however_late_they_come() {
        let spool = Arc::new(Spool::new().unwrap());
        let expected: String = (0..1_000).map(|it| format!("{it}\n")).collect();
        let follow = || {
            let mut follower = Follower::new(Arc::clone(&spool));
            std::thread::spawn(move || {
                let mut text = String::new();
                follower.read_to_string(&mut text).unwrap();
                text
            })
        };
        let early = [follow(), follow()];
        (0..1_000).for_each(|it| spool.add(format!("{it}\n").as_bytes()).unwrap());
        spool.finish();
        for text in early.into_iter().chain([follow()]) {
            assert_eq!(text.join().unwrap(), expected);
        }
        assert_eq!(spool.n_bytes(), expected.len() as u64);
    }
}
