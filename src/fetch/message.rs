//! What a server says in an answer that is no success, whatever its content type claims.

use serde_json::Value;

/// The words are cut here.
const LONGEST: usize = 300;

/// Whether a body is a web page: the path is not the API's.
pub(super) fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

/// The server's own words in a body, if it has any.
pub(super) fn of_body(body: &[u8]) -> Option<String> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return None;
    }
    if is_html(body) {
        let text = String::from_utf8_lossy(&body[..body.len().min(4_096)]);
        let title = text.split_once("<title>").and_then(|it| it.1.split_once("</title>")).map(|it| it.0.trim());
        return Some(match title.filter(|it| !it.is_empty()) {
            Some(title) => format!("a web page, \"{}\"", cut(title)),
            None => "a web page".to_owned(),
        });
    }
    let words = match serde_json::from_slice::<Value>(body) {
        Ok(value) => of_value(&value)?,
        Err(_) => String::from_utf8_lossy(body).lines().next().unwrap_or("").trim().to_owned(),
    };
    (!words.is_empty()).then(|| cut(&words))
}

fn of_value(value: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(errors) = value.get("errors").and_then(Value::as_array).filter(|it| !it.is_empty()) {
        let words: Vec<String> =
            errors.iter().filter_map(|it| it.get("msg").and_then(text).or_else(|| text(it))).collect();
        return Some(words.join("; "));
    }
    let error = value.get("error");
    error
        .and_then(|it| it.get("message").and_then(text).or_else(|| text(it)))
        .or_else(|| value.get("message").and_then(text))
        .or_else(|| text(value))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_words_are_found_wherever_they_stand() {
        for (body, words) in [
            (
                r#"{"data":null,"errors":[{"code":400,"msg":"parameter 'service' is required"}]}"#,
                "parameter 'service' is required",
            ),
            (r#"{"error":{"httpCode":404,"message":"No traces found"}}"#, "No traces found"),
            (r#"{"error":"no org id","status":401}"#, "no org id"),
            (r#"{"message":"nope"}"#, "nope"),
            ("404 page not found\n", "404 page not found"),
            ("<!doctype html><title>Sign in</title>", "a web page, \"Sign in\""),
        ] {
            assert_eq!(of_body(body.as_bytes()).as_deref(), Some(words), "{body}");
        }
        assert_eq!(of_body(b" \n"), None);
        assert_eq!(of_body(b"{\"data\":[]}"), None);
    }
}
