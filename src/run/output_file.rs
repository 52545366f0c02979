//! A file that is written beside its target and renamed when done, so that nobody sees half of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// A file being written. Dropped without [`OutputFile::finish`] it leaves nothing behind.
pub(super) struct OutputFile<'a> {
    out: Destination,
    unfinished: &'a Mutex<Option<PathBuf>>,
}

enum Destination {
    /// A pipe or a device, which cannot be replaced.
    Direct(io::BufWriter<File>),
    Beside {
        out: io::BufWriter<NamedTempFile>,
        target: PathBuf,
    },
}

impl<'a> OutputFile<'a> {
    /// Begins one; `unfinished` gets to know what to remove if the process is stopped.
    pub(super) fn create(path: &Path, unfinished: &'a Mutex<Option<PathBuf>>) -> anyhow::Result<OutputFile<'a>> {
        let is_plain = path.metadata().map_or(true, |it| it.is_file());
        if !is_plain {
            let file = std::fs::OpenOptions::new().write(true).open(path)?;
            return Ok(OutputFile { out: Destination::Direct(io::BufWriter::new(file)), unfinished });
        }
        // The file behind a link is replaced, not the link.
        let behind = || Ok::<_, io::Error>(path.with_file_name(path.read_link()?));
        let target = path.canonicalize().or_else(|_| behind()).unwrap_or_else(|_| path.to_owned());
        let directory = target.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".analyze-traces-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Subject to the umask, as any new file; a file that is there keeps what it has.
            let mode = target.metadata().map_or(0o666, |it| it.permissions().mode());
            builder.permissions(std::fs::Permissions::from_mode(mode));
        }
        if !directory.exists() {
            let what = format!("there is no directory {}", directory.display());
            return Err(Failure::with_hint(what, "make it first (mkdir -p), or name another file").into());
        }
        let temporary = builder
            .tempfile_in(directory)
            // Without the name of the temporary file, which says nothing to anybody.
            .map_err(|err| io::Error::from(err.kind()))
            .with_context(|| format!("failed to make a file in {}", directory.display()))?;
        *unfinished.lock().unwrap_or_else(PoisonError::into_inner) = Some(temporary.path().to_owned());
        Ok(OutputFile { out: Destination::Beside { out: io::BufWriter::new(temporary), target }, unfinished })
    }

    /// What is to be written to.
    pub(super) fn writer(&mut self) -> &mut (dyn Write + Send) {
        match &mut self.out {
            Destination::Direct(out) => out,
            Destination::Beside { out, .. } => out,
        }
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self.out {
            Destination::Direct(mut out) => out.flush()?,
            Destination::Beside { out, target } => {
                let temporary = out.into_inner().map_err(io::IntoInnerError::into_error)?;
                temporary.persist(&target)?;
                *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
        Ok(())
    }
}
