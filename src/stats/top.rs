//! The first few of many, under a total order.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Keeps the elements that come first: the smallest, so the caller's `Ord` says what that means.
///
/// Elements that compare equal must be equal, or it shows which of them came sooner: let the order
/// end in something unique.
#[derive(Clone, Debug)]
pub struct Top<T> {
    limit: Option<usize>,
    seen: u64,
    /// What comes last of the kept is on top, ready to give way.
    kept: BinaryHeap<T>,
}

impl<T: Ord> Top<T> {
    /// One that keeps `limit` elements, or all of them.
    pub fn new(limit: Option<usize>) -> Top<T> {
        Top { limit, seen: 0, kept: BinaryHeap::new() }
    }

    /// Counts an element and keeps it if it is among the first.
    pub fn push(&mut self, element: T) {
        self.count_only();
        self.keep(element);
    }

    /// Counts an element of which the caller knows that it is not admitted.
    pub fn count_only(&mut self) {
        self.seen = self.seen.saturating_add(1);
    }

    /// Whether [`Top::push`] would keep this: lets a caller leave a costly element unbuilt.
    pub fn admits(&self, element: &T) -> bool {
        self.limit.is_none_or(|limit| self.kept.len() < limit) || self.kept.peek().is_some_and(|last| element < last)
    }

    /// Takes in what the other one kept and counted; the smaller of two limits holds.
    pub fn merge(&mut self, other: Top<T>) {
        self.limit = match (self.limit, other.limit) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.seen = self.seen.saturating_add(other.seen);
        while self.limit.is_some_and(|limit| self.kept.len() > limit) {
            self.kept.pop();
        }
        other.kept.into_iter().for_each(|it| self.keep(it));
    }

    /// How many elements are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether no element is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many elements were pushed or counted, kept or not.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The kept elements, first things first.
    pub fn iter_sorted(&self) -> impl ExactSizeIterator<Item = &T> {
        let mut sorted: Vec<&T> = self.kept.iter().collect();
        sorted.sort_unstable();
        sorted.into_iter()
    }

    /// As [`Top::iter_sorted`], for keeps.
    pub fn into_sorted_vec(self) -> Vec<T> {
        self.kept.into_sorted_vec()
    }

    fn keep(&mut self, element: T) {
        if self.limit.is_none_or(|limit| self.kept.len() < limit) {
            self.kept.push(element);
        } else if let Some(mut last) = self.kept.peek_mut()
            && element < *last
        {
            *last = element;
            // The heap is put in order when `last` goes.
            drop::<PeekMut<'_, T>>(last);
        }
    }
}

impl<T: Ord> PartialEq for Top<T> {
    fn eq(&self, other: &Top<T>) -> bool {
        self.limit == other.limit && self.seen == other.seen && self.iter_sorted().eq(other.iter_sorted())
    }
}

impl<T: Ord> Eq for Top<T> {}

/// What is written: the kept elements in order.
#[derive(Serialize, Deserialize)]
struct Wire<T> {
    limit: Option<usize>,
    seen: u64,
    kept: Vec<T>,
}

impl<T: Ord + Serialize> Serialize for Top<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kept: Vec<&T> = self.iter_sorted().collect();
        Wire { limit: self.limit, seen: self.seen, kept }.serialize(serializer)
    }
}

impl<'de, T: Ord + Deserialize<'de>> Deserialize<'de> for Top<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Top<T>, D::Error> {
        let Wire { limit, seen, kept } = Wire::<T>::deserialize(deserializer)?;
        if limit.is_some_and(|limit| kept.len() > limit) {
            return Err(D::Error::custom("more elements are kept than the limit allows"));
        }
        if seen < kept.len() as u64 {
            return Err(D::Error::custom("more elements are kept than were seen"));
        }
        if !kept.is_sorted() {
            return Err(D::Error::custom("the kept elements must rise"));
        }
        Ok(Top { limit, seen, kept: BinaryHeap::from(kept) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;

    fn top(limit: Option<usize>, elements: &[u8]) -> Top<u8> {
        let mut top = Top::new(limit);
        elements.iter().for_each(|&it| top.push(it));
        top
    }

    fn bytes(top: &Top<u8>) -> Vec<u8> {
        postcard::to_stdvec(top).unwrap()
    }

    #[test]
    fn the_smallest_come_first() {
        let top = top(Some(3), &[5, 1, 4, 1, 3]);
        assert!(top.iter_sorted().eq(&[1, 1, 3]));
        assert_eq!((top.len(), top.seen()), (3, 5));
        assert_eq!(top.into_sorted_vec(), [1, 1, 3]);
    }

    #[test]
    fn the_largest_come_first_where_the_order_says_so() {
        let mut slowest = Top::new(Some(2));
        [10, 30, 20].into_iter().for_each(|it| slowest.push(Reverse(it)));
        assert_eq!(slowest.into_sorted_vec(), [Reverse(30), Reverse(20)]);
    }

    #[test]
    fn no_limit_keeps_all_and_a_limit_of_0_nothing() {
        assert_eq!(top(None, &[2, 3, 1]).into_sorted_vec(), [1, 2, 3]);
        let nothing = top(Some(0), &[2, 3, 1]);
        assert!(nothing.is_empty() && !nothing.admits(&0));
        assert_eq!(nothing.seen(), 3);
    }

    #[test]
    fn what_is_only_counted_is_seen() {
        let mut top = top(Some(1), &[1]);
        top.count_only();
        assert_eq!((top.len(), top.seen()), (1, 2));
    }

    #[test]
    fn the_smaller_limit_holds() {
        let mut all = top(None, &[3, 1, 2]);
        all.merge(top(Some(2), &[0, 9, 8]));
        assert_eq!(all.seen(), 6);
        assert_eq!(all.into_sorted_vec(), [0, 1]);
    }

    #[test]
    fn nonsense_is_not_read() {
        let read = |text: &str| serde_json::from_str::<Top<u8>>(text).map_err(|err| err.to_string());
        assert!(read(r#"{"limit":2,"seen":3,"kept":[1,2]}"#).is_ok());
        for (text, why) in [
            (r#"{"limit":1,"seen":3,"kept":[1,2]}"#, "limit allows"),
            (r#"{"limit":2,"seen":1,"kept":[1,2]}"#, "were seen"),
            (r#"{"limit":2,"seen":3,"kept":[2,1]}"#, "must rise"),
        ] {
            let err = read(text).unwrap_err();
            assert!(err.contains(why), "{text}: {err}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_front_of_the_sorted_elements(limit: Option<u8>, mut elements: Vec<u8>) {
            let limit = limit.map(usize::from);
            let mut lazy = Top::new(limit);
            for &it in &elements {
                if lazy.admits(&it) { lazy.push(it) } else { lazy.count_only() }
            }
            let eager = top(limit, &elements);
            prop_assert_eq!(&lazy, &eager);
            prop_assert_eq!(eager.seen(), elements.len() as u64);
            elements.sort_unstable();
            elements.truncate(limit.unwrap_or(usize::MAX));
            prop_assert_eq!(eager.into_sorted_vec(), elements);
        }

        #[test]
        fn order_cannot_be_seen(limit: Option<u8>, a: Vec<u8>, b: Vec<u8>) {
            let limit = limit.map(usize::from);
            let (mut forth, mut back) = (top(limit, &a), top(limit, &b));
            forth.merge(top(limit, &b));
            back.merge(top(limit, &a));
            let all = top(limit, &[a, b].concat());
            prop_assert_eq!(bytes(&forth), bytes(&back));
            prop_assert_eq!(bytes(&forth), bytes(&all));
        }

        #[test]
        fn a_fresh_one_is_neutral(limit: Option<u8>, elements: Vec<u8>) {
            let limit = limit.map(usize::from);
            let pushed = top(limit, &elements);
            let (mut left, mut right) = (Top::new(limit), pushed.clone());
            left.merge(pushed.clone());
            right.merge(Top::new(limit));
            prop_assert_eq!(&left, &pushed);
            prop_assert_eq!(&right, &pushed);
        }

        #[test]
        fn written_and_read_back_it_is_the_same(limit: Option<u8>, elements: Vec<u8>) {
            let pushed = top(limit.map(usize::from), &elements);
            let read: Top<u8> = postcard::from_bytes(&bytes(&pushed)).unwrap();
            prop_assert_eq!(read, pushed);
        }
    }
}
