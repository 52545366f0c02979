//! The report for programs: one JSON object, written field by field without a copy in between.

use std::io::{self, Write as _};

use crate::report::json::{Json, write_object};

/// Writes one object with these fields in this order, and a line break.
///
/// An error of the writer, such as a closed pipe, comes out as it went in.
pub fn report(out: &mut dyn io::Write, fields: &[(&str, &dyn Json)], pretty: bool) -> io::Result<()> {
    // It is written a few bytes at a time: not each through a `dyn`.
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    write_object(&mut out, fields, pretty)?;
    out.write_all(b"\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Takes some bytes, then behaves like a pipe whose reader is gone.
    struct Closing {
        left: usize,
    }

    impl io::Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let taken = bytes.len().min(self.left);
            self.left -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(serde::Serialize)]
    struct Operation {
        service: &'static str,
        p99_ms: Option<f64>,
        by_kind: BTreeMap<&'static str, Vec<u64>>,
    }

    fn operations() -> Vec<Operation> {
        vec![
            Operation { service: "web", p99_ms: Some(1.5), by_kind: BTreeMap::from([("server", vec![1, 2])]) },
            Operation { service: "d\"b", p99_ms: None, by_kind: BTreeMap::new() },
        ]
    }

    fn written(pretty: bool) -> String {
        let mut out = Vec::new();
        report(&mut out, &[("schema_version", &1), ("operations", &operations()), ("complete", &true)], pretty)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_keep_their_order() {
        assert_eq!(
            written(false),
            concat!(
                r#"{"schema_version":1,"operations":[{"service":"web","p99_ms":1.5,"by_kind":{"server":[1,2]}},"#,
                r#"{"service":"d\"b","p99_ms":null,"by_kind":{}}],"complete":true}"#,
                "\n"
            )
        );
    }

    #[test]
    fn pretty_says_the_same() {
        let compact: serde_json::Value = serde_json::from_str(&written(false)).unwrap();
        let pretty = written(true);
        assert!(pretty.starts_with("{\n  \"schema_version\": 1,\n"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&pretty).unwrap(), compact);
    }

    #[test]
    fn a_closed_pipe_is_seen_wherever_it_closes() {
        for pretty in [false, true] {
            for left in 0..written(pretty).len() {
                let fields: [(&str, &dyn Json); 3] =
                    [("schema_version", &1), ("operations", &operations()), ("complete", &true)];
                let err = report(&mut Closing { left }, &fields, pretty).unwrap_err();
                assert_eq!(err.kind(), io::ErrorKind::BrokenPipe, "after {left} bytes");
            }
        }
    }
}
