//! Names that may have been meant by one that is not known.

/// How many are offered.
const OFFERED: usize = 3;

/// The known names nearest to this one, nearest first; none where nothing is near.
pub(crate) fn names<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let asked = unknown.to_lowercase();
    let mut close: Vec<(usize, &str)> = known
        .into_iter()
        .map(|it| (strsim::damerau_levenshtein(&asked, &it.to_lowercase()), it))
        .filter(|(distance, it)| *distance <= 1 + unknown.len() / 3 || it.to_lowercase().contains(&asked))
        .collect();
    close.sort_unstable();
    close.dedup();
    close.into_iter().map(|it| it.1).take(OFFERED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_what_is_far_not_at_all() {
        let known = ["checkout", "check", "payment", "checkout-worker"];
        assert_eq!(names("chekout", known), ["checkout"]);
        assert_eq!(names("CHECKOUT", known), ["checkout", "check", "checkout-worker"]);
        assert_eq!(names("recommendation", known), [""; 0]);
    }
}
