//! A file that was loaded whole, as a feed.

use std::io::Read;
use std::sync::Arc;

use super::spool::{Follower, Spool};
use crate::input::source::{Ended, Feed};

#[derive(Debug)]
pub(super) struct Downloaded {
    spool: Arc<Spool>,
}

impl Downloaded {
    pub(super) fn new(spool: Spool) -> Downloaded {
        Downloaded { spool: Arc::new(spool) }
    }
}

impl Feed for Downloaded {
    fn open(&self) -> anyhow::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Follower::new(Arc::clone(&self.spool))))
    }

    fn progress(&self) -> Option<String> {
        None
    }

    fn ended(&self) -> Ended {
        Ended::default()
    }
}
