//! Which proxy leads to an address, by the variables that curl and Go know.

use url::Url;

/// The proxies of the environment.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    direct: Vec<String>,
}

impl Proxies {
    /// Reads them from the environment's variables.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Proxies {
        let first = |names: [&str; 2]| names.iter().find_map(|it| variable(it).filter(|it| !it.trim().is_empty()));
        let all = || first(["all_proxy", "ALL_PROXY"]);
        let direct = first(["no_proxy", "NO_PROXY"]).unwrap_or_default();
        Proxies {
            http: first(["http_proxy", "HTTP_PROXY"]).or_else(all),
            https: first(["https_proxy", "HTTPS_PROXY"]).or_else(all),
            direct: direct.split(',').map(|it| it.trim().to_ascii_lowercase()).filter(|it| !it.is_empty()).collect(),
        }
    }

    /// The proxy for an address.
    pub(in crate::fetch) fn for_url(&self, url: &Url) -> Option<String> {
        let host = url.host_str()?.to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        // As Go has it: nobody means to reach the own machine by a proxy.
        if bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback()) {
            return None;
        }
        let port = url.port_or_known_default();
        if self.direct.iter().any(|it| is_direct(it, bare, port)) {
            return None;
        }
        if url.scheme() == "https" { self.https.clone() } else { self.http.clone() }
    }
}

/// Whether an entry of NO_PROXY names a host: itself, a domain above it, or everything.
fn is_direct(entry: &str, host: &str, port: Option<u16>) -> bool {
    let (name, of_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') => (name, digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    if of_port.is_some() && of_port != port {
        return false;
    }
    let name = name.trim_start_matches('*').trim_start_matches('.');
    name.is_empty() || host == name || host.strip_suffix(name).is_some_and(|it| it.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let variable = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        Proxies::of(&variable).for_url(&Url::parse(url).unwrap())
    }

    #[test]
    fn proxies_are_those_of_the_scheme() {
        let variables = [("http_proxy", "http://p:1"), ("HTTPS_PROXY", "http://p:2")];
        assert_eq!(of(&variables, "http://jaeger.example/").as_deref(), Some("http://p:1"));
        assert_eq!(of(&variables, "https://jaeger.example/").as_deref(), Some("http://p:2"));
        assert_eq!(of(&[("ALL_PROXY", "socks5://p:3")], "https://jaeger.example/").as_deref(), Some("socks5://p:3"));
        assert_eq!(of(&[("http_proxy", " ")], "http://jaeger.example/"), None);
        assert_eq!(of(&variables, "http://localhost:16686/"), None);
        assert_eq!(of(&variables, "http://[::1]:16686/"), None);
    }

    #[test]
    fn some_hosts_are_reached_directly() {
        let direct =
            |no_proxy: &str, url: &str| of(&[("http_proxy", "http://p"), ("NO_PROXY", no_proxy)], url).is_none();
        assert!(direct("example.com", "http://example.com/") && direct("example.com", "http://a.example.com/"));
        assert!(
            !direct("example.com", "http://notexample.com/") && direct(" x , .example.com", "http://a.example.com/")
        );
        assert!(direct("*", "http://a/") && direct("*.b", "http://a.b/") && direct("10.0.0.1", "http://10.0.0.1:80/"));
        assert!(direct("a:16686", "http://a:16686/") && !direct("a:9411", "http://a:16686/"));
    }
}
