//! Attributes of spans, processes and events: the keys we understand, and values as texts of one arena.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::FixedState;

use super::Name;

/// A piece of a trace's text arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A run of one of a trace's lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Run {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Run {
    pub(crate) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn shifted(self, by: u32) -> Run {
        Run { start: self.start + by, end: self.end + by }
    }
}

/// What a value was before it became text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// A string.
    Text,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
}

/// A key and its value.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// The key.
    pub key: Key,
    /// The value as text: `true`, `500`, `GET`.
    pub value: Text,
    /// What it was.
    pub value_type: ValueType,
    /// Of a list that came again and again: whether the value differs from list to list.
    pub(crate) varies: bool,
    /// Said of the first of such a list: how many attributes it has.
    pub(crate) list_length: u16,
    /// Said of the first of such a list, otherwise 0: lists of one number have the same keys, and the same values
    /// where these do not vary.
    pub(crate) list_number: u32,
}

impl Attribute {
    /// One of a list of which nothing is known.
    pub(crate) fn new(key: Key, value: Text, value_type: ValueType) -> Attribute {
        Attribute { key, value, value_type, varies: false, list_length: 0, list_number: 0 }
    }
}

/// A number for lists, given once.
pub(crate) fn new_list_number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let next = |last: u32| last.checked_add(1);
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_or(0, |it| it + 1)
}

/// The key of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// One that a pass understands.
    Known(Known),
    /// One that a filter asks for.
    Other(Name),
}

impl Key {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Key::Known(known) => known.as_str(),
            Key::Other(name) => name.as_str(),
        }
    }
}

macro_rules! known {
    ($($name:ident $text:literal,)*) => {
        /// The keys that give a span its meaning, by the old and the stable semantic conventions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each is named as it is written")]
        pub enum Known { $($name,)* }

        impl Known {
            /// All of them, in order.
            pub const ALL: &[Known] = &[$(Known::$name,)*];

            /// How it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Known::$name => $text,)* }
            }
        }
    };
}

known! {
    Error "error",
    StatusCode "otel.status_code",
    StatusDescription "otel.status_description",
    SpanKind "span.kind",
    HttpStatusCode "http.status_code",
    HttpResponseStatusCode "http.response.status_code",
    HttpStatusText "http.status_text",
    HttpStatusMessage "http.status_message",
    HttpMethod "http.method",
    HttpRequestMethod "http.request.method",
    HttpRoute "http.route",
    HttpUrl "http.url",
    UrlFull "url.full",
    HttpTarget "http.target",
    UrlPath "url.path",
    GrpcStatusCode "rpc.grpc.status_code",
    GrpcStatusCodeOld "grpc.status_code",
    RpcResponseStatusCode "rpc.response.status_code",
    RpcSystem "rpc.system",
    RpcService "rpc.service",
    RpcMethod "rpc.method",
    DbSystem "db.system",
    DbSystemName "db.system.name",
    DbName "db.name",
    DbNamespace "db.namespace",
    DbInstance "db.instance",
    DbType "db.type",
    DbStatement "db.statement",
    DbQueryText "db.query.text",
    DbQuerySummary "db.query.summary",
    SqlQuery "sql.query",
    DbOperation "db.operation",
    DbOperationName "db.operation.name",
    DbCollectionName "db.collection.name",
    DbSqlTable "db.sql.table",
    MessagingSystem "messaging.system",
    MessagingDestination "messaging.destination",
    MessagingDestinationName "messaging.destination.name",
    MessageBusDestination "message_bus.destination",
    PeerService "peer.service",
    ServicePeerName "service.peer.name",
    RemoteServiceName "remoteEndpoint.serviceName",
    ServerAddress "server.address",
    NetPeerName "net.peer.name",
    PeerHostname "peer.hostname",
    ErrorType "error.type",
    ErrorMessage "error.message",
    ErrorObject "error.object",
    ErrorKind "error.kind",
    Event "event",
    Message "message",
    Stack "stack",
    ExceptionType "exception.type",
    ExceptionMessage "exception.message",
    ExceptionStacktrace "exception.stacktrace",
    HostId "host.id",
    HostIp "host.ip",
    Ip "ip",
    Port "port",
    HostName "host.name",
    Hostname "hostname",
    Component "component",
    UpstreamCluster "upstream_cluster",
    UpstreamClusterName "upstream_cluster.name",
    IstioCanonicalService "istio.canonical_service",
    ResponseFlags "response_flags",
    ErrorReason "error.reason",
}

/// Which attributes a run needs; the others are read over.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// By their signs.
    keys: Vec<(&'static str, Key)>,
    /// Where the keys of each sign begin, and where the last end.
    begin: [u32; 257],
    all: bool,
}

/// What a key looks like: few of those that are needed look like any other.
#[inline]
fn sign(key: &str) -> u8 {
    let at = |back: usize| key.len().checked_sub(back).map_or(0, |it| key.as_bytes()[it]);
    (key.len() as u8).wrapping_mul(29) ^ at(1).wrapping_mul(7) ^ at(4).wrapping_mul(13)
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted::with([])
    }
}

impl Wanted {
    /// The known keys and these.
    pub fn with(others: impl IntoIterator<Item = Name>) -> Wanted {
        Wanted::of(Known::ALL.iter().copied(), others)
    }

    /// These keys, some of which we understand.
    pub fn of(known: impl IntoIterator<Item = Known>, others: impl IntoIterator<Item = Name>) -> Wanted {
        let mut keys: HashMap<_, _, FixedState> = known.into_iter().map(|it| (it.as_str(), Key::Known(it))).collect();
        for name in others {
            // Whoever asks for it, a key that we understand is that one.
            let understood = Known::ALL.iter().find(|it| it.as_str() == name.as_str());
            keys.insert(name.as_str(), understood.map_or(Key::Other(name), |it| Key::Known(*it)));
        }
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable_by_key(|it| (sign(it.0), it.0));
        let begin = std::array::from_fn(|nth| keys.partition_point(|it| usize::from(sign(it.0)) < nth) as u32);
        Wanted { keys, begin, all: false }
    }

    /// Whether every key is needed.
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// Every key.
    pub fn all() -> Wanted {
        Wanted { all: true, ..Wanted::with([]) }
    }

    /// The key, if it is needed.
    #[inline]
    pub fn key(&self, text: &str) -> Option<Key> {
        let sign = usize::from(sign(text));
        let alike = &self.keys[self.begin[sign] as usize..self.begin[sign + 1] as usize];
        let key = alike.iter().find(|it| it.0 == text).map(|it| it.1);
        if key.is_none() && self.all { Some(Key::Other(Name::new(text))) } else { key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_is_found_by_its_spelling() {
        let wanted = Wanted::default();
        for known in Known::ALL {
            assert_eq!(wanted.key(known.as_str()), Some(Key::Known(*known)));
        }
        assert_eq!(wanted.key("http.routes"), None);
    }

    #[test]
    fn an_attribute_is_half_a_line_of_the_cache() {
        assert_eq!(size_of::<Attribute>(), 32);
    }

    #[test]
    fn only_wanted_keys_are_keys() {
        let wanted = Wanted::with([Name::new("customer"), Name::new("error")]);
        assert_eq!(wanted.key("customer"), Some(Key::Other(Name::new("customer"))));
        assert_eq!(wanted.key("error"), Some(Key::Known(Known::Error)));
        assert_eq!(wanted.key("thread.id"), None);
        let wanted = Wanted::of([Known::DbName], [Name::new("customer"), Name::new("error")]);
        assert_eq!(wanted.key("db.name"), Some(Key::Known(Known::DbName)));
        assert_eq!(wanted.key("customer"), Some(Key::Other(Name::new("customer"))));
        assert_eq!(wanted.key("error"), Some(Key::Known(Known::Error)));
        assert_eq!(wanted.key("http.route"), None);
    }
}
