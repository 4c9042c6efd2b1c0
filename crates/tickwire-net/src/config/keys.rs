//! The names of all settings, as they stand in `tickwire.toml`, in `TICKWIRE_*` and after `--set`.

/// Every key but those of `room.NAME`, with an example of its value.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("listen", "\"0.0.0.0:7777\""),
    ("admin", "\"127.0.0.1:7778\""),
    ("origins", "[\"https://play.example.com\"]"),
    ("tls.cert", "\"fullchain.pem\""),
    ("tls.key", "\"key.pem\""),
    ("trusted_proxies", "[\"127.0.0.1/32\"]"),
    ("files", "\"www\""),
    ("state_dir", "\"state\""),
    ("train_dir", "\"books\""),
    ("metrics", "\"everyone\""),
    ("schema", "\"everyone\""),
    ("stamps", "true"),
    ("watchdog_ms", "1000"),
    ("goodbye_ms", "2000"),
    ("resume_ms", "30000"),
    ("threads.io", "2"),
    ("threads.rooms", "2"),
    ("limits.sessions", "1600"),
    ("limits.rooms", "90"),
    ("limits.per_address", "16"),
    ("limits.messages_per_s", "120"),
    ("limits.bytes_per_s", "32768"),
    ("log.level", "\"info\""),
    ("log.format", "\"json\""),
];

/// The keys of `room.NAME`.
pub(crate) const ROOM_KEYS: &[(&str, &str)] = &[
    ("tick_hz", "30"),
    ("send_hz", "30"),
    ("seats", "16"),
    ("players", "8"),
    ("watchers", "50"),
    ("watch_hz", "5"),
];

/// An example of the value of `key`, for texts.
pub(crate) fn example(key: &str) -> &'static str {
    let room_key = key
        .strip_prefix("room.")
        .and_then(|rest| rest.rsplit('.').next());
    let found = match room_key {
        Some(last) => ROOM_KEYS.iter().find(|(name, _)| *name == last),
        None => KEYS.iter().find(|(name, _)| *name == key),
    };
    found.map_or("", |(_, example)| example)
}

/// Whether there is such a key on a server with these kinds of rooms.
pub(crate) fn exists(key: &str, kinds: &[&str]) -> bool {
    KEYS.iter().any(|(name, _)| *name == key)
        || ROOM_KEYS.iter().any(|(name, _)| {
            let kind = key
                .strip_prefix("room.")
                .and_then(|rest| rest.strip_suffix(name))
                .and_then(|rest| rest.strip_suffix('.'));
            kind.is_some_and(|kind| kinds.contains(&kind))
        })
}

/// The key that was probably meant.
pub(crate) fn nearest(key: &str, kinds: &[&str]) -> String {
    let rooms = kinds.iter().flat_map(|kind| {
        ROOM_KEYS
            .iter()
            .map(move |(name, _)| format!("room.{kind}.{name}"))
    });
    let all = KEYS.iter().map(|(name, _)| (*name).to_owned()).chain(rooms);
    all.min_by_key(|name| distance(name, key))
        .unwrap_or_default()
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_rooms_belong_to_a_kind_that_exists() {
        assert!(exists("limits.rooms", &[]));
        assert!(exists("room.arena.seats", &["arena"]));
        assert!(!exists("room.other.seats", &["arena"]));
        assert!(!exists("room.arena", &["arena"]));
        assert_eq!(nearest("lisen", &["arena"]), "listen");
        assert_eq!(nearest("room.arena.seat", &["arena"]), "room.arena.seats");
        assert_eq!(example("room.arena.seats"), "16");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
