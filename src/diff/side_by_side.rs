//! The same done to many things, on several threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `of` makes of each item, in their order, whatever the threads.
pub(super) fn map<T: Sync, R: Send>(items: &[T], threads: NonZeroUsize, of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let n_threads = threads.get().min(items.len());
    if n_threads <= 1 {
        return items.iter().map(of).collect();
    }
    let taken = AtomicUsize::new(0);
    // Items are unlike each other: whoever is free takes the next.
    let work = || {
        let mut made = Vec::new();
        loop {
            let nth = taken.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(nth) else { return made };
            made.push((nth, of(item)));
        }
    };
    let mut made: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
        let mut made = work();
        made.extend(others.into_iter().flat_map(|it| it.join().expect("no item makes it panic")));
        made
    });
    made.sort_unstable_by_key(|it| it.0);
    made.into_iter().map(|it| it.1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_items() {
        let items: Vec<u32> = (0..1_000).collect();
        let squares: Vec<u32> = items.iter().map(|it| it * it).collect();
        for threads in [1, 2, 7, 2_000] {
            assert_eq!(map(&items, NonZeroUsize::new(threads).unwrap(), |it| it * it), squares);
        }
        assert!(map(&[], NonZeroUsize::MIN, |it: &u32| *it).is_empty());
    }
}
