//! Where bytes come from: files, directories, patterns, standard input, and whatever feeds us.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use tempfile::SpooledTempFile;

use crate::failure::Failure;

/// One thing to read.
#[derive(Debug)]
pub struct Source {
    /// As the user knows it.
    pub name: String,
    /// Whether it was named, so that it must load; files found in directories need not hold traces.
    pub is_named: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    File(PathBuf),
    /// A pipe with a name: what it brings comes once.
    Pipe(PathBuf, Mutex<Option<Spool>>),
    Stdin(Spool),
    Feed(Arc<dyn Feed>),
}

/// Brings bytes while they are read, and knows in the end how that went.
pub trait Feed: Send + Sync + std::fmt::Debug {
    /// Reads it from the beginning, waiting for what has not come yet. The first call sets it going.
    fn open(&self) -> anyhow::Result<Box<dyn Read + Send>>;

    /// How far it has come, for people.
    fn progress(&self) -> Option<String>;

    /// How it ended; asked once all has been read.
    fn ended(&self) -> Ended;
}

/// How a feed ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many requests it took.
    pub n_requests: u64,
    /// Why there may be more than came.
    pub incomplete: Vec<String>,
    /// What else the user should know.
    pub warnings: Vec<String>,
    /// Something was lost by faults, and not because the user wanted no more.
    pub has_gaps: bool,
    /// What can be done about that.
    pub hint: Option<String>,
    /// Nothing could be had at all, and why.
    pub failure: Option<Failure>,
    /// Traces (their ids, compact) that came more than once because they were asked for more than once,
    /// each time with other spans: no fault of what was read.
    pub came_again: HashSet<u128>,
}

/// Standard input or a pipe, kept as it is read, for a second look.
#[derive(Debug)]
pub struct Spool(Arc<Mutex<Kept>>);

/// What has come so far, and what is yet to come: the first look may end anywhere.
struct Kept {
    input: Box<dyn Read + Send>,
    has_ended: bool,
    file: SpooledTempFile,
    n_bytes: u64,
    /// Where the file stands.
    at: u64,
}

/// So much is kept in memory; what is larger, in an unnamed temporary file.
const MOST_IN_MEMORY: usize = 1 << 20;

impl Spool {
    fn of(input: Box<dyn Read + Send>) -> Spool {
        let file = SpooledTempFile::new(MOST_IN_MEMORY);
        Spool(Arc::new(Mutex::new(Kept { input, has_ended: false, file, n_bytes: 0, at: 0 })))
    }

    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(Look { kept: Arc::clone(&self.0), at: 0 })
    }
}

impl Kept {
    fn go_to(&mut self, at: u64) -> io::Result<()> {
        if self.at != at {
            self.file.seek(SeekFrom::Start(at))?;
            self.at = at;
        }
        Ok(())
    }

    /// Reads what stands there, of what has come already if there is any.
    fn read(&mut self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        if at < self.n_bytes {
            self.go_to(at)?;
            let n_read = self.file.read(buf)?;
            self.at += n_read as u64;
            return Ok(n_read);
        }
        if self.has_ended || buf.is_empty() {
            return Ok(0);
        }
        let n_read = self.input.read(buf)?;
        self.has_ended = n_read == 0;
        let kept = self.go_to(self.n_bytes).and_then(|()| self.file.write_all(&buf[..n_read]));
        kept.map_err(|err| io::Error::new(err.kind(), Unkept(err)))?;
        self.n_bytes += n_read as u64;
        self.at = self.n_bytes;
        Ok(n_read)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("n_bytes", &self.n_bytes).field("has_ended", &self.has_ended).finish()
    }
}

/// One look at what comes once, from its beginning.
struct Look {
    kept: Arc<Mutex<Kept>>,
    at: u64,
}

impl Read for Look {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n_read = locked(&self.kept).read(self.at, buf)?;
        self.at += n_read as u64;
        Ok(n_read)
    }
}

impl Source {
    /// One that is fed.
    pub fn fed(name: String, feed: Arc<dyn Feed>) -> Source {
        Source { name, is_named: true, kind: Kind::Feed(feed) }
    }

    /// What feeds it, if something does.
    pub fn feed(&self) -> Option<&dyn Feed> {
        match &self.kind {
            Kind::Feed(feed) => Some(feed.as_ref()),
            Kind::File(_) | Kind::Pipe(..) | Kind::Stdin(_) => None,
        }
    }

    /// Opens it, every time from the beginning.
    pub fn open(&self) -> anyhow::Result<Box<dyn Read + Send>> {
        match &self.kind {
            Kind::File(path) => Ok(Box::new(self.open_file(path)?)),
            Kind::Pipe(path, spool) => {
                let mut spool = locked(spool);
                if let Some(spool) = &*spool {
                    return Ok(spool.open());
                }
                Ok(spool.insert(Spool::of(Box::new(self.open_file(path)?))).open())
            }
            Kind::Stdin(spool) => Ok(spool.open()),
            Kind::Feed(feed) => feed.open(),
        }
    }

    fn open_file(&self, path: &Path) -> anyhow::Result<File> {
        File::open(path).map_err(|err| match looks_like_server(&self.name) {
            true => Failure::with_hint(
                format!("failed to read {}: {err}", self.name),
                format!("the address of a server begins with http://: http://{}", self.name),
            )
            .into(),
            false => anyhow::Error::new(err).context(format!("failed to read {}", self.name)),
        })
    }

    /// Where the file is: names that are not UTF-8 may look alike.
    pub fn path(&self) -> Option<&OsStr> {
        match &self.kind {
            Kind::File(path) | Kind::Pipe(path, _) => Some(path.as_os_str()),
            Kind::Stdin(_) | Kind::Feed(_) => None,
        }
    }

    /// Whether its name says that it holds values a line each, of which there may be none.
    pub fn holds_lines(&self) -> bool {
        let Kind::File(path) = &self.kind else { return false };
        let is = |path: &Path, endings: &[&str]| {
            path.extension()
                .and_then(OsStr::to_str)
                .is_some_and(|it| endings.iter().any(|end| it.eq_ignore_ascii_case(end)))
        };
        let inner = if is(path, &["gz", "zst"]) { path.with_extension("") } else { path.clone() };
        is(&inner, &["jsonl", "ndjson"])
    }

    /// How large it is, if that is known beforehand.
    pub fn size(&self) -> Option<u64> {
        match &self.kind {
            Kind::File(path) => path.metadata().ok().filter(std::fs::Metadata::is_file).map(|it| it.len()),
            Kind::Pipe(..) | Kind::Stdin(_) | Kind::Feed(_) => None,
        }
    }
}

/// Whether a name is that of a host with a port.
fn looks_like_server(name: &str) -> bool {
    let host = name.split('/').next().unwrap_or("");
    let port = host.rsplit_once(':').filter(|it| it.0.len() > 1).map(|it| it.1);
    port.is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What comes once could not be kept: nothing is wrong with what was read.
#[derive(Debug)]
pub(crate) struct Unkept(io::Error);

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to keep it in a temporary file for a second look: {}", self.0)
    }
}

impl std::error::Error for Unkept {}

/// The name of standard input in reports.
pub const STDIN: &str = "<stdin>";

/// Finds what was named; sorted by name, so that the order of arguments cannot be seen.
pub fn find(inputs: &[OsString], stdin: impl FnOnce() -> Box<dyn Read + Send>) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut stdin = Some(stdin);
    for input in inputs {
        if input == "-" {
            if let Some(stdin) = stdin.take() {
                let kind = Kind::Stdin(Spool::of(stdin()));
                sources.push(Source { name: STDIN.to_owned(), is_named: true, kind });
            }
            continue;
        }
        let path = Path::new(input);
        // What is not UTF-8 is no pattern.
        let pattern = input.to_str().filter(|it| it.contains(['*', '?', '[']));
        if path.is_dir() {
            find_in_directory(path, &mut sources)?;
        } else if let Some(pattern) = pattern.filter(|_| !path.exists()) {
            find_by_pattern(pattern, &mut sources)?;
        } else {
            sources.push(file(path, true));
        }
    }
    Ok(in_order(sources))
}

/// Sources by name, each file once.
pub fn in_order(mut sources: Vec<Source>) -> Vec<Source> {
    sources.sort_by(|a, b| {
        a.name.cmp(&b.name).then_with(|| a.path().cmp(&b.path())).then_with(|| b.is_named.cmp(&a.is_named))
    });
    // What is fed is told apart by its name.
    sources.dedup_by(|a, b| a.path() == b.path() && (a.path().is_some() || a.name == b.name));
    sources
}

fn file(path: &Path, is_named: bool) -> Source {
    let comes_once = path.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir());
    let path_of = path.to_owned();
    let kind = if comes_once { Kind::Pipe(path_of, Mutex::default()) } else { Kind::File(path_of) };
    Source { name: path.display().to_string(), is_named, kind }
}

fn find_in_directory(directory: &Path, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let before = sources.len();
    for entry in walkdir::WalkDir::new(directory).follow_links(true).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(err) if leads_nowhere(&err) => continue,
            Err(err) => {
                let name = err.path().unwrap_or(directory).display().to_string();
                let why = err.into_io_error().unwrap_or_else(|| io::Error::other("a link leads back"));
                return Err(why).with_context(|| format!("failed to list {name}"));
            }
        };
        if entry.file_type().is_file() {
            sources.push(file(entry.path(), false));
        }
    }
    if sources.len() == before {
        return Err(Failure::with_hint(
            format!("failed to read {}: the directory holds no files", directory.display()),
            "name a capture, or a directory that holds some",
        )
        .into());
    }
    Ok(())
}

/// Links to nothing, or back to where one came from: nothing is missed by not following them.
fn leads_nowhere(err: &walkdir::Error) -> bool {
    let is_gone = err.io_error().is_some_and(|it| it.kind() == io::ErrorKind::NotFound);
    err.loop_ancestor().is_some() || (err.depth() > 0 && is_gone)
}

fn find_by_pattern(pattern: &str, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let before = sources.len();
    // What is no pattern is the name of a file that is not there.
    let Ok(paths) = glob::glob(pattern) else {
        sources.push(file(Path::new(pattern), true));
        return Ok(());
    };
    for path in paths {
        let path = path.with_context(|| format!("failed to look for {pattern}"))?;
        if path.is_dir() {
            find_in_directory(&path, sources)?;
        } else {
            sources.push(file(&path, true));
        }
    }
    if sources.len() == before {
        return Err(Failure::with_hint(format!("failed to read {pattern}: no file matches"), "check the path").into());
    }
    Ok(())
}
