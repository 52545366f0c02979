//! Hash maps as sorted lists: equal states are equal bytes.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Map<K, V> = HashMap<K, V, FixedState>;

pub(super) fn serialize<K: Ord + Serialize, V: Serialize, S: Serializer>(
    map: &Map<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entries(map))
}

pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<Map<K, V>, D::Error>
where
    K: Eq + Hash + Deserialize<'de>,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
}

/// The entries by key.
pub(super) fn entries<K: Ord, V>(map: &Map<K, V>) -> Vec<(&K, &V)> {
    let mut entries: Vec<(&K, &V)> = map.iter().collect();
    entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
    entries
}
