//! Values in ascending order, sorted only where they are not yet.

use std::borrow::Cow;

/// The values in ascending order: as they are if they have it, else a sorted copy.
///
/// Who calls several functions with one sample sorts it first, and none of them sorts again.
pub(super) fn ascending(values: &[i64]) -> Cow<'_, [i64]> {
    if values.is_sorted() {
        return Cow::Borrowed(values);
    }
    let mut copy = values.to_vec();
    copy.sort_unstable();
    Cow::Owned(copy)
}

/// How many equal values follow each other in each run of a sorted slice.
pub(super) fn tie_sizes(sorted: &[i64]) -> impl Iterator<Item = usize> {
    sorted.chunk_by(|a, b| a == b).map(<[i64]>::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_values_are_not_copied() {
        assert!(matches!(ascending(&[]), Cow::Borrowed(_)));
        assert!(matches!(ascending(&[-1, 2, 2, 3]), Cow::Borrowed(_)));
        assert_eq!(ascending(&[3, -1, 2]).as_ref(), [-1, 2, 3]);
    }

    #[test]
    fn ties_are_runs() {
        assert_eq!(tie_sizes(&[1, 1, 2, 5, 5, 5]).collect::<Vec<_>>(), [2, 1, 3]);
        assert_eq!(tie_sizes(&[]).count(), 0);
    }
}
