//! One side of a call: a service at an address.

use std::borrow::Cow;

use super::{Result, text_of};
use crate::input::json::{Cursor, Node};

/// What is said of a side; what is empty is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    pub(super) service: Option<Cow<'a, str>>,
    /// The IPv4 address, or else the IPv6 one.
    pub(super) ip: Option<Cow<'a, str>>,
    pub(super) port: Option<Cow<'a, str>>,
}

impl<'a> Endpoint<'a> {
    /// Reads an endpoint; what is no object says nothing.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Endpoint<'a>> {
        let (mut service, mut ipv4, mut ipv6, mut port) = (None, None, None, None);
        if cursor.peek() != Some(b'{') {
            cursor.skip()?;
            return Ok(Endpoint::default());
        }
        cursor.object(|cursor, key| {
            match key {
                "serviceName" => service = text_of(cursor.value()?),
                "ipv4" => ipv4 = text_of(cursor.value()?),
                "ipv6" => ipv6 = text_of(cursor.value()?),
                "port" => port = text_of(cursor.value()?),
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        Ok(Endpoint::of(service, ipv4, ipv6, port))
    }

    /// As [`Endpoint::read`], of a value that is there already.
    pub(super) fn of_node(node: &'a Node<'_>) -> Endpoint<'a> {
        let text = |key: &str| node.get(key).scalar().map(Cow::Borrowed);
        Endpoint::of(text("serviceName"), text("ipv4"), text("ipv6"), text("port"))
    }

    fn of(
        service: Option<Cow<'a, str>>,
        ipv4: Option<Cow<'a, str>>,
        ipv6: Option<Cow<'a, str>>,
        port: Option<Cow<'a, str>>,
    ) -> Endpoint<'a> {
        let mapped = |ip: Cow<'a, str>| match ip.get(..7) {
            Some(prefix) if prefix.eq_ignore_ascii_case("::ffff:") && ip.contains('.') => {
                Cow::Owned(ip[7..].to_owned())
            }
            _ => ip,
        };
        Endpoint { service, ip: ipv4.or(ipv6).map(mapped), port: port.filter(|it| it != "0") }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Endpoint::default()
    }
}
