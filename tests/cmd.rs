//! What is typed and printed: the console blocks of `tests/cmd/*.md`.
//!
//! `TRYCMD=overwrite cargo test --test cmd` writes what the program says now: read the difference
//! before committing it.

#[test]
fn what_is_typed_and_printed() {
    trycmd::TestCases::new().case("tests/cmd/*.md").env("NO_COLOR", "1");
}
