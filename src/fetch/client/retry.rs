//! When to try again, and when to give up.

use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// So often a request is sent at most.
const MOST_TRIES: u32 = 5;

/// The first wait; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Tries of one request.
pub(super) struct Retry {
    started: Instant,
    n_tries: u32,
    /// All waits together take no longer than a request may.
    patience: Duration,
}

impl Retry {
    pub(super) fn new(patience: Duration) -> Retry {
        Retry { started: Instant::now(), n_tries: 1, patience }
    }

    /// How long to wait before the next try: as long as the server says, else longer each time; nothing
    /// if there is no use in it.
    pub(super) fn next_wait(&mut self, retry_after: Option<&str>) -> Option<Duration> {
        if self.n_tries >= MOST_TRIES {
            return None;
        }
        let wait = retry_after.and_then(seconds).unwrap_or_else(|| jittered(FIRST_WAIT * 2u32.pow(self.n_tries - 1)));
        self.n_tries += 1;
        (self.started.elapsed() + wait <= self.patience).then_some(wait)
    }
}

/// `Retry-After` in seconds; dates are left to the usual wait, as clocks differ.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse::<u64>().ok().map(Duration::from_secs)
}

/// Half to all of a wait, so that those who failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish();
    wait / 2 + wait / 2 * (random as u32 % 1_000) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut retry = Retry::new(Duration::from_secs(60));
        let waits: Vec<Duration> = std::iter::from_fn(|| retry.next_wait(None)).collect();
        assert_eq!(waits.len(), MOST_TRIES as usize - 1);
        for (nth, wait) in waits.iter().enumerate() {
            let most = FIRST_WAIT * 2u32.pow(nth as u32);
            assert!(*wait <= most && *wait >= most / 2, "{wait:?}");
        }
    }

    #[test]
    fn the_server_says_how_long_within_reason() {
        let mut retry = Retry::new(Duration::from_secs(60));
        assert_eq!(retry.next_wait(Some("3")), Some(Duration::from_secs(3)));
        assert_eq!(retry.next_wait(Some("3600")), None, "longer than anybody waits");
        let mut retry = Retry::new(Duration::from_secs(60));
        assert!(retry.next_wait(Some("Fri, 31 Dec 1999 23:59:59 GMT")).is_some_and(|it| it <= FIRST_WAIT));
    }
}
