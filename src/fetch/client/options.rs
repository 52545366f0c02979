//! How a server is reached: credentials, certificates, proxies, patience.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

pub use super::proxy::Proxies;
use crate::failure::Failure;
use crate::fetch::secret::{Scrubber, Secret};
use crate::input::base64;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// `Authorization: Bearer`.
    Bearer(Secret),
    /// `Authorization: Basic`.
    Basic {
        /// The user's name.
        user: String,
        /// The password; may be empty.
        password: Secret,
    },
}

/// How servers are reached.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Sent with every request to the server itself.
    pub headers: Vec<(String, Secret)>,
    /// Sent in its header unless the address has its own.
    pub credentials: Option<Credentials>,
    /// For servers with several tenants.
    pub tenant: Option<String>,
    /// Certificate authorities beside the machine's, as PEM.
    pub ca_certificates: Vec<u8>,
    /// The client's own certificate and its key, as PEM.
    pub client_certificate: Option<(Vec<u8>, Secret)>,
    /// Check no certificate.
    pub insecure: bool,
    /// For one request, from connecting to the last byte.
    pub timeout: Duration,
    /// Those of the environment.
    pub proxies: Proxies,
}

/// Headers in which servers look for a tenant: Jaeger's, Tempo's.
const TENANT_HEADERS: [&str; 2] = ["x-tenant", "x-scope-orgid"];

impl ClientOptions {
    /// The headers for the server itself; what is secret among them is hidden from now on.
    pub(super) fn headers(&self, in_address: Option<&Credentials>, scrubber: &mut Scrubber) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.headers {
            let name = name.to_ascii_lowercase();
            if !TENANT_HEADERS.contains(&name.as_str()) {
                scrubber.hide(value.reveal());
                // `Bearer x`: the second word may be repeated alone.
                value.reveal().split_whitespace().skip(1).for_each(|it| scrubber.hide(it));
            }
            headers.push((name, value.reveal().to_owned()));
        }
        let has = |headers: &[(String, String)], name: &str| headers.iter().any(|it| it.0 == name);
        if let Some(tenant) = &self.tenant {
            for name in TENANT_HEADERS.into_iter().filter(|it| !has(&headers, it)).collect::<Vec<_>>() {
                headers.push((name.to_owned(), tenant.clone()));
            }
        }
        for credentials in in_address.iter().copied().chain(&self.credentials) {
            let value = credentials.header(scrubber);
            if !has(&headers, "authorization") {
                headers.push(("authorization".to_owned(), value));
            }
        }
        headers
    }

    /// What is trusted, and what is shown.
    pub(super) fn tls(&self) -> anyhow::Result<TlsConfig> {
        let mut builder = TlsConfig::builder().disable_verification(self.insecure);
        if !self.insecure {
            builder = builder.root_certs(self.roots()?);
        }
        if let Some((chain, key)) = &self.client_certificate {
            let what = "failed to read the client certificate";
            let chain = certificates(chain).context(what)?;
            let hint = "--client-cert FILE in PEM; the key in the same file or in --client-key FILE";
            let key = PrivateKey::from_pem(key.reveal().as_bytes())
                .map_err(|_| Failure::with_hint(format!("{what}: there is no private key"), hint))?;
            if chain.is_empty() {
                return Err(Failure::with_hint(format!("{what}: there is no certificate"), hint).into());
            }
            builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(builder.build())
    }

    /// The machine's authorities and those that were named; Mozilla's where the machine has none.
    fn roots(&self) -> anyhow::Result<RootCerts> {
        let added = certificates(&self.ca_certificates).context("failed to read --ca-cert")?;
        if added.is_empty() && !self.ca_certificates.is_empty() {
            return Err(
                Failure::with_hint("failed to read --ca-cert: no certificate in it", "name a file in PEM").into()
            );
        }
        let native = rustls_native_certs::load_native_certs().certs;
        if native.is_empty() && added.is_empty() {
            return Ok(RootCerts::WebPki);
        }
        let native = native.iter().map(|it| Certificate::from_der(it).to_owned());
        Ok(RootCerts::Specific(Arc::new(native.chain(added).collect())))
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<Certificate<'static>>> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(it) = item? {
            found.push(it);
        }
    }
    Ok(found)
}

impl Credentials {
    /// The header's value.
    fn header(&self, scrubber: &mut Scrubber) -> String {
        match self {
            Credentials::Bearer(token) => {
                scrubber.hide(token.reveal());
                format!("Bearer {}", token.reveal())
            }
            Credentials::Basic { user, password } => {
                scrubber.hide(password.reveal());
                let encoded = base64::encode(format!("{user}:{}", password.reveal()).as_bytes());
                scrubber.hide(&encoded);
                format!("Basic {encoded}")
            }
        }
    }
}
