//! Shares drawn as bars.

use std::iter;

/// A bar of `width` columns, of which the share is filled, in eighths of a column.
pub(super) fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let filled = if share.is_finite() { share.clamp(0.0, 100.0) / 100.0 } else { 0.0 };
    let mut eighths = (filled * width as f64 * 8.0).round() as usize;
    if eighths == 0 && filled > 0.0 && width > 0 {
        eighths = 1;
    }
    let mut bar: String = iter::repeat_n('█', eighths / 8).collect();
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8]);
    }
    bar.extend(iter::repeat_n(' ', width - eighths.div_ceil(8)));
    bar
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bars_fill_by_eighths() {
        assert_eq!(bar(0.0, 8), "        ");
        assert_eq!(bar(0.1, 8), "▏       ");
        assert_eq!(bar(71.2, 8), "█████▊  ");
        assert_eq!(bar(100.0, 8), "████████");
        assert_eq!(bar(250.0, 8), "████████");
        assert_eq!(bar(f64::NAN, 8), "        ");
    }

    proptest! {
        #[test]
        fn bars_are_as_wide_as_asked(share in any::<f64>(), width in 0usize..30) {
            prop_assert_eq!(bar(share, width).chars().count(), width);
        }
    }
}
