//! SQL statements without the values of one call.

/// Longer statements are generated, and their beginning says which they are.
const MAX_BYTES: usize = 64 * 1024;

/// The statement with `?` for each literal and placeholder, without comments, on one line.
///
/// A list of values is one of them: `IN (?)`, `VALUES (?)`; a row that reads like the row before it
/// is dropped. Names stay, quoted (`"…"`, `` `…` ``, `[…]`) or not, and so do `TRUE`, `FALSE` and
/// `NULL`. The dialect is not known, so `'…'` knows both `''` and `\'`. Whatever is not SQL comes
/// out somehow; what goes beyond 64 KiB is cut, with `…` in its place.
pub fn sql(text: &str) -> String {
    let (text, is_cut) = super::cut(text, MAX_BYTES);
    let mut lexer = Lexer { rest: text, out: Statement::new(text.len()) };
    while lexer.step() {}
    let mut statement = lexer.out.text;
    statement.truncate(statement.trim_end_matches([' ', ';']).len());
    if is_cut {
        statement.push('…');
    }
    statement
}

/// Where we are in a statement: outside of strings and comments.
struct Lexer<'a> {
    rest: &'a str,
    out: Statement,
}

impl<'a> Lexer<'a> {
    /// Reads one token; false at the end of the text.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else {
            return false;
        };
        let second = self.rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        match first {
            _ if first.is_whitespace() => {
                self.take(first.len_utf8());
                self.out.space();
            }
            '-' if second == '-' => self.skip_line(),
            // `#>` and `#-` are operators of PostgreSQL.
            '#' if !">-".contains(second) => self.skip_line(),
            '/' if second == '*' => {
                self.take(2);
                self.take_past("*/");
                self.out.space();
            }
            '\'' => self.string(),
            '"' | '`' => self.quoted_name(first),
            '[' if is_name_start(second) && !self.out.ends_in_operand() => self.quoted_name(']'),
            '$' => self.dollar(),
            ':' if second == ':' || second == '=' => self.copy(2),
            // After an operand it is a slice (`a[1:2]`) or a label (`n:Person`).
            ':' if is_word(second) && !self.out.ends_in_operand() => self.placeholder(1),
            '@' if second == '@' => self.copy(2),
            // After an operand it is a host: `root@localhost`.
            '@' if is_word(second) && !self.out.ends_in_operand() => self.placeholder(1),
            '%' if second == '(' => self.percent_name(),
            '%' if second == 's' && !self.rest[2..].starts_with(is_word) => self.placeholder(1),
            '?' => {
                self.take(1);
                self.take_while(|it| it.is_ascii_digit());
                self.out.value();
            }
            '.' if second.is_ascii_digit() && !self.out.ends_in_operand() => self.number(),
            _ if first.is_ascii_digit() => self.number(),
            _ if is_name_start(first) => self.word(),
            '(' | '[' => {
                self.take(1);
                self.out.open(first);
            }
            ')' | ']' => {
                self.take(1);
                self.out.close(first);
            }
            _ => self.copy(first.len_utf8()),
        }
        true
    }

    fn take(&mut self, n_bytes: usize) -> &'a str {
        let (token, rest) = self.rest.split_at(n_bytes);
        self.rest = rest;
        token
    }

    /// Takes all up to the end of `mark`, or of the text.
    fn take_past(&mut self, mark: &str) {
        let end = self.rest.find(mark).map_or(self.rest.len(), |start| start + mark.len());
        self.take(end);
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|it| !belongs(it)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn copy(&mut self, n_bytes: usize) {
        let token = self.take(n_bytes);
        self.out.text.push_str(token);
    }

    fn skip_line(&mut self) {
        self.take_while(|it| it != '\n');
        self.out.space();
    }

    fn string(&mut self) {
        self.take(1);
        let mut bytes = self.rest.bytes().enumerate();
        let mut end = self.rest.len();
        while let Some((idx, byte)) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                // The second of two begins a string of its own that belongs to this one.
                b'\'' if self.rest[idx + 1..].starts_with('\'') => drop(bytes.next()),
                b'\'' => {
                    end = idx + 1;
                    break;
                }
                _ => {}
            }
        }
        self.take(end);
        self.out.value();
    }

    /// Copies a name up to the quote that ends it; two of them are one in the name.
    fn quoted_name(&mut self, quote: char) {
        self.copy(1);
        loop {
            let end = self.rest.find(quote).map_or(self.rest.len(), |start| start + 1);
            self.copy(end);
            if !self.rest.starts_with(quote) {
                return;
            }
            self.copy(1);
        }
    }

    /// `$1`, `$name`, or a string between two `$tag$`.
    fn dollar(&mut self) {
        let after = &self.rest[1..];
        let tag = after.find(|it| !is_word(it) || it == '$').unwrap_or(after.len());
        if after[tag..].starts_with('$') && !after.starts_with(|it: char| it.is_ascii_digit()) {
            let mark = self.take(tag + 2);
            self.take_past(mark);
            self.out.value();
        } else if tag > 0 {
            self.take(1 + tag);
            self.out.value();
        } else {
            self.copy(1);
        }
    }

    /// A mark of so many bytes and the name or number after it.
    fn placeholder(&mut self, n_bytes: usize) {
        self.take(n_bytes);
        self.take_while(is_word);
        self.out.value();
    }

    /// `%(name)s`
    fn percent_name(&mut self) {
        let name = self.rest[2..].find(|it| !is_word(it)).map_or("", |end| &self.rest[..2 + end]);
        if name.len() > 2 && self.rest[name.len()..].starts_with(")s") {
            self.take(name.len() + 2);
            self.out.value();
        } else {
            self.copy(1);
        }
    }

    fn number(&mut self) {
        let end = number_end(self.rest);
        if !self.rest[end..].starts_with(|it: char| it.is_alphanumeric() || it == '_') {
            self.take(end);
            self.out.value();
        } else if self.rest.starts_with('.') {
            self.copy(1);
        } else {
            // MySQL has names that begin with a digit.
            self.word();
        }
    }

    fn word(&mut self) {
        let word = self.take_while(is_word);
        // N'…', E'…', X'…', B'…' and R'…' are strings as a whole.
        let is_prefix = word.len() == 1 && "nexbr".contains(&word.to_ascii_lowercase());
        if is_prefix && self.rest.starts_with('\'') && !self.out.ends_in_operand() {
            self.string();
        } else {
            self.out.text.push_str(word);
        }
    }
}

/// What has been written so far.
struct Statement {
    text: String,
    /// Where the open groups begin, and for each, as for the statement itself, the last group in it.
    open: Vec<(char, usize)>,
    closed: Vec<Option<(usize, usize)>>,
}

impl Statement {
    fn new(capacity: usize) -> Statement {
        Statement { text: String::with_capacity(capacity), open: Vec::new(), closed: vec![None] }
    }

    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    /// Whether a value or name stands directly before, so that what follows is no sign.
    fn ends_in_operand(&self) -> bool {
        self.text.ends_with(|it| is_word(it) || "?)]\"`".contains(it))
    }

    fn value(&mut self) {
        // A sign belongs to the value unless there is something that it could be subtracted from.
        let signed = self.text.trim_end_matches(' ');
        if let Some(before) = signed.strip_suffix(['-', '+']) {
            let before_sign = before.trim_end_matches(' ');
            if before_sign.is_empty() || before_sign.ends_with(|it| "(,=<>*/+-%|&!~[".contains(it)) {
                self.text.truncate(before.len());
            }
        }
        self.text.push('?');
    }

    fn open(&mut self, bracket: char) {
        self.open.push((bracket, self.text.len()));
        self.closed.push(None);
        self.text.push(bracket);
    }

    fn close(&mut self, bracket: char) {
        let opens = if bracket == ')' { '(' } else { '[' };
        let Some((_, start)) = self.open.pop_if(|(it, _)| *it == opens) else {
            self.text.push(bracket);
            return;
        };
        self.closed.pop();
        let inside = &self.text[start + 1..];
        if inside.contains('?') && inside.bytes().all(|it| b"?, ".contains(&it)) {
            self.text.truncate(start + 1);
            self.text.push('?');
        }
        self.text.push(bracket);
        let Some(sibling) = self.closed.last_mut() else {
            return;
        };
        if let Some((first, end)) = *sibling {
            let is_list = self.text[end..start].trim() == ",";
            if is_list && self.text[first..end] == self.text[start..] && self.text[start..].contains('?') {
                self.text.truncate(end);
                return;
            }
        }
        *sibling = Some((start, self.text.len()));
    }
}

/// Where the number ends that the text begins with: decimal, `0x…` or `0b…`.
fn number_end(text: &str) -> usize {
    let digits = |from: usize, belongs: fn(&u8) -> bool| {
        from + text.as_bytes()[from..].iter().take_while(|it| belongs(it)).count()
    };
    if text.starts_with("0x") || text.starts_with("0X") {
        return digits(2, u8::is_ascii_hexdigit);
    }
    if text.starts_with("0b") || text.starts_with("0B") {
        return digits(2, |it| b"01".contains(it));
    }
    let mut end = digits(0, u8::is_ascii_digit);
    if text[end..].starts_with('.') {
        end = digits(end + 1, u8::is_ascii_digit);
    }
    if let Some(exponent) = text[end..].strip_prefix(['e', 'E']) {
        let start = text.len() - exponent.strip_prefix(['-', '+']).unwrap_or(exponent).len();
        let exponent_end = digits(start, u8::is_ascii_digit);
        if exponent_end > start {
            end = exponent_end;
        }
    }
    end
}

fn is_name_start(it: char) -> bool {
    it.is_alphabetic() || it == '_'
}

/// What names consist of after their first letter; Oracle's may have `$` and `#`.
fn is_word(it: char) -> bool {
    it.is_alphanumeric() || "_$#".contains(it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTORS: &[(&str, &str)] = &[
        ("", ""),
        ("  ;; ", ""),
        ("SELECT 1", "SELECT ?"),
        ("select  *\n\tfrom t ;", "select * from t"),
        ("SELECT a FROM t WHERE id = 42 AND name = 'bob';", "SELECT a FROM t WHERE id = ? AND name = ?"),
        ("WHERE name = 'it''s' AND x=1", "WHERE name = ? AND x=?"),
        (r"WHERE name = 'it\'s' AND x=1", "WHERE name = ? AND x=?"),
        ("WHERE name = '' AND x = '('", "WHERE name = ? AND x = ?"),
        ("WHERE name = 'open and more", "WHERE name = ?"),
        (r"WHERE name = 'open\", "WHERE name = ?"),
        ("x = 1.5 OR x = .5 OR x = 1e9 OR x = 2.5E-3 OR x = 1.", "x = ? OR x = ? OR x = ? OR x = ? OR x = ?"),
        ("x = 0xDEADbeef OR x = 0b101", "x = ? OR x = ?"),
        ("x = -1 AND y = + 2", "x = ? AND y = ?"),
        ("a-1, a - 1, a - -1", "a-?, a - ?, a - ?"),
        ("SELECT -1", "SELECT -?"),
        ("table_1 t2 2fa_codes t1.c2", "table_1 t2 2fa_codes t1.c2"),
        ("x IS NULL AND y = TRUE OR z = false", "x IS NULL AND y = TRUE OR z = false"),
        ("id IN (1, 2, 3)", "id IN (?)"),
        ("id IN ( 'a','b' )", "id IN (?)"),
        ("id IN(-1,-2)", "id IN(?)"),
        ("id IN ($1, $2, $3)", "id IN (?)"),
        ("id IN (?)", "id IN (?)"),
        ("id IN (1, NULL)", "id IN (?, NULL)"),
        ("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y') ,(3,'z')", "INSERT INTO t (a, b) VALUES (?)"),
        ("VALUES (1, now()), (2, now()), (3, now())", "VALUES (?, now())"),
        ("VALUES (1, NULL), (2, x)", "VALUES (?, NULL), (?, x)"),
        ("(a, b) IN ((1, 2), (3, 4))", "(a, b) IN ((?))"),
        ("f((a), (a))", "f((a), (a))"),
        ("coalesce(x, 0) + f()", "coalesce(x, ?) + f()"),
        ("LIMIT 10, 20", "LIMIT ?, ?"),
        ("SELECT a -- the name\nFROM t", "SELECT a FROM t"),
        ("SELECT a # the name\nFROM t", "SELECT a FROM t"),
        ("SELECT a /* the\n'name' */FROM t", "SELECT a FROM t"),
        ("/* app:cart */ SELECT a /* open", "SELECT a"),
        ("SELECT a; -- done", "SELECT a"),
        ("SELECT a; SELECT 2;", "SELECT a; SELECT ?"),
        // PostgreSQL.
        ("SELECT $1::text, '7'::int", "SELECT ?::text, ?::int"),
        ("DO $$ BEGIN x := 1; END $$ LANGUAGE plpgsql", "DO ? LANGUAGE plpgsql"),
        ("SELECT $tag$ a $$ 'b $tag$, 1", "SELECT ?, ?"),
        ("SELECT $tag$ open", "SELECT ?"),
        ("data->'a'->>2 = E'x\\'y' AND data #>> '{a,b}' = '1'", "data->?->>? = ? AND data #>> ? = ?"),
        ("tags @> ARRAY['a', 'b'] AND x = ANY(ARRAY[1,2])", "tags @> ARRAY[?] AND x = ANY(ARRAY[?])"),
        ("xs[1:2] || xs[3]", "xs[?:?] || xs[?]"),
        ("\"User 1\".\"na\"\"me 2\" = 3", "\"User 1\".\"na\"\"me 2\" = ?"),
        ("DATE '2024-01-02' + INTERVAL '1 day'", "DATE ? + INTERVAL ?"),
        // MySQL.
        ("SELECT `order 1` FROM `db-1`.t WHERE x = x'ff'", "SELECT `order 1` FROM `db-1`.t WHERE x = ?"),
        ("SET @total := 5, @@session.x = 1", "SET ? := ?, @@session.x = ?"),
        ("GRANT ALL TO 'root'@'localhost', root@localhost", "GRANT ALL TO ?@?, root@localhost"),
        // SQL Server.
        (
            "SELECT TOP 10 [Order 1] FROM [dbo].[t 2] WHERE id = @p1 AND n = N'ö'",
            "SELECT TOP ? [Order 1] FROM [dbo].[t 2] WHERE id = ? AND n = ?",
        ),
        ("SELECT @@ROWCOUNT", "SELECT @@ROWCOUNT"),
        // Oracle.
        (
            "SELECT sid, serial# FROM v$session WHERE id = :id AND x = :1",
            "SELECT sid, serial# FROM v$session WHERE id = ? AND x = ?",
        ),
        // Drivers of Python, SQLite and JPA.
        ("a = %s AND b = %(name)s AND c % size = 1", "a = ? AND b = ? AND c % size = ?"),
        ("LIKE 'a%' AND x % 5 = ?1", "LIKE ? AND x % ? = ?"),
        ("a = $name", "a = ?"),
        // Other languages.
        ("MATCH (n:Person {age: 42}) RETURN n", "MATCH (n:Person {age: ?}) RETURN n"),
        ("größe = 'ä' AND 名前 = '太郎'", "größe = ? AND 名前 = ?"),
        ("a) ] ) (1", "a) ] ) (?"),
        ("`open", "`open"),
        ("x > .5a AND y = 1#2", "x > .5a AND y = ?"),
        ("a = ?AND b = ?", "a = ?AND b = ?"),
    ];

    #[test]
    fn statements_are_made_alike() {
        for (text, expected) in VECTORS {
            assert_eq!(sql(text), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let long = sql(&format!("xx{}", "太".repeat(MAX_BYTES)));
        assert_eq!(long.len(), MAX_BYTES - 2 + "…".len());
        assert!(long.ends_with("太…") && long.starts_with("xx太"));
    }

    #[test]
    fn texts_made_to_be_slow_are_not() {
        let start = std::time::Instant::now();
        for unit in [
            "(",
            "[",
            "(1),",
            "((1),(1)),",
            "$a$",
            "$",
            "'\\",
            "a'",
            "%(",
            "1e",
            "\"",
            "--",
            "/*",
            "- ",
            "(a,1),(b,1),",
            ")",
            "1,",
        ] {
            sql(&unit.repeat(MAX_BYTES / unit.len()));
        }
        // Generous: a debug build on a busy machine.
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_text_comes_out_no_longer_and_without_its_strings(
            text in prop_oneof![any::<String>(), "[-'\"`(),:;@#$%?*/\\\\\\[\\]a-e0-3 \né.]{0,60}"],
        ) {
            let out = sql(&text);
            prop_assert!(out.len() <= text.len());
            prop_assert!(!out.contains("  ") || text.contains(['"', '`', '[']));
        }
    }
}
