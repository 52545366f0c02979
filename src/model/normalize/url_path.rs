//! Paths of URLs without the ids of one call.

/// More than a name has that people gave.
const MAX_NAME_CHARS: usize = 40;

/// The path of a URL with `*` for each segment that is a UUID, an integer, hexadecimal of eight
/// digits and more, or longer than 40 characters.
///
/// Scheme, user, host, query and fragment are dropped; a text without `//` is all path. What has a
/// file extension stays.
pub fn url_path(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let Some(path) = path_of(&text[..end]) else {
        return "/".to_owned();
    };
    let segments = path.split('/').map(|it| if is_id(it) { "*" } else { it });
    segments.collect::<Vec<_>>().join("/")
}

/// What comes after the host; `None` if nothing does.
fn path_of(url: &str) -> Option<&str> {
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        _ => match url.strip_prefix("//") {
            Some(rest) => rest,
            None => return Some(url),
        },
    };
    rest.find('/').map(|start| &rest[start..])
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it))
}

fn is_id(segment: &str) -> bool {
    if has_extension(segment) {
        return false;
    }
    let is_integer = !segment.is_empty() && segment.bytes().all(|it| it.is_ascii_digit());
    // With a digit at least: `deadbeef` might be a name.
    let is_hex = segment.len() >= 8
        && segment.bytes().all(|it| it.is_ascii_hexdigit())
        && segment.bytes().any(|it| it.is_ascii_digit());
    is_integer || is_hex || is_uuid(segment) || segment.chars().nth(MAX_NAME_CHARS).is_some()
}

fn is_uuid(segment: &str) -> bool {
    segment.len() == 36
        && segment.bytes().enumerate().all(|(idx, byte)| match idx {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether it ends as file names do: `.` and up to five letters and digits, one of them a letter.
fn has_extension(segment: &str) -> bool {
    segment.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && extension.len() <= 5
            && extension.bytes().all(|it| it.is_ascii_alphanumeric())
            && extension.bytes().any(|it| it.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VECTORS: &[(&str, &str)] = &[
        ("", ""),
        ("/", "/"),
        ("/cart", "/cart"),
        ("/cart/", "/cart/"),
        ("/users/42/orders/7", "/users/*/orders/*"),
        ("/v1/api2", "/v1/api2"),
        ("users/42", "users/*"),
        ("/users/550e8400-e29b-41d4-a716-446655440000", "/users/*"),
        ("/users/550e8400-e29b-41d4-a716-44665544000g", "/users/550e8400-e29b-41d4-a716-44665544000g"),
        ("/blob/3f2a9bc0", "/blob/*"),
        ("/blob/3F2A9BC01", "/blob/*"),
        ("/blob/3f2a9bc", "/blob/3f2a9bc"),
        ("/blob/deadbeef", "/blob/deadbeef"),
        ("/products/0PUK6V6EV0", "/products/0PUK6V6EV0"),
        ("/t/abcdefghij-abcdefghij-abcdefghij-abcdefgh", "/t/*"),
        ("/t/abcdefghij-abcdefghij-abcdefghij-abcdefg", "/t/abcdefghij-abcdefghij-abcdefghij-abcdefg"),
        ("/t/éééééééééééééééééééééééééééééééééééééééé", "/t/éééééééééééééééééééééééééééééééééééééééé"),
        ("/static/123.json", "/static/123.json"),
        (
            "/static/app.3f2a9bc0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6.js",
            "/static/app.3f2a9bc0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6.js",
        ),
        ("/v/1.2", "/v/1.2"),
        ("/a?id=1#top", "/a"),
        ("/a#top?x", "/a"),
        ("?q=1", ""),
        ("//cdn.example.com/a/1", "/a/*"),
        ("http://cart:7070/items/12?page=3", "/items/*"),
        ("https://user:secret@example.com/a/", "/a/"),
        ("http://[::1]:8080/a", "/a"),
        ("http://example.com", "/"),
        ("http://example.com?next=/a/b", "/"),
        ("grpc+unix://host/pkg.Service/Get", "/pkg.Service/Get"),
        ("/go/http://example.com/5", "/go/http://example.com/*"),
        ("/a?to=http://example.com/5", "/a"),
        ("/a//7", "/a//*"),
        ("/größe/12", "/größe/*"),
    ];

    #[test]
    fn paths_are_made_alike() {
        for (text, expected) in VECTORS {
            assert_eq!(url_path(text), *expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_query_is_left_of_any_text(text: String) {
            prop_assert!(!url_path(&text).contains(['?', '#']));
        }
    }
}
